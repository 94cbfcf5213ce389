#include "formats/pickle_globals.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "base/glob.h"

namespace stkit {
namespace {

struct Rule {
  std::string_view module;  // a glob
  std::string_view name;    // a glob
};

// Constructors of plain data, and classes that are only named. Those of torch are in the list that
// its own weights_only loader keeps.
constexpr Rule kAllowed[] = {
    {"collections", "{OrderedDict,defaultdict,Counter,deque}"},
    {"{builtins,__builtin__}",
     "{set,frozenset,list,dict,tuple,int,float,bool,complex,str,unicode,bytes,bytearray,slice,"
     "range,xrange,object,long}"},
    {"{_codecs,codecs}", "encode"},
    {"{copyreg,copy_reg}", "_reconstructor"},
    {"datetime", "{datetime,date,time,timedelta,timezone}"},
    {"decimal", "Decimal"},
    {"fractions", "Fraction"},
    {"uuid", "UUID"},
    {"pathlib", "{Posix,Windows,PurePosix,PureWindows,}Path"},
    {"pathlib._local", "{Posix,Windows,PurePosix,PureWindows,}Path"},
    {"argparse", "Namespace"},
    {"types", "SimpleNamespace"},
    {"_io", "BytesIO"},
    {"io", "BytesIO"},
    {"torch", "{Size,device,Tensor,Generator}"},
    {"{torch,torch.cuda}",
     "{Float,Double,Half,BFloat16,Long,Int,Short,Char,Byte,Bool}{Storage,"
     "Tensor}"},
    {"torch", "{ComplexFloat,ComplexDouble,QInt8,QUInt8,QInt32,QUInt4x2,QUInt2x4}Storage"},
    {"torch",
     "{float16,float32,float64,bfloat16,half,float,double,int8,int16,int32,int64,uint8,"
     "uint16,uint32,uint64,bool,complex32,complex64,complex128,qint8,quint8,qint32,"
     "quint4x2,quint2x4,float8_e4m3fn,float8_e5m2,float8_e4m3fnuz,float8_e5m2fnuz,"
     "float8_e8m0fnu,float4_e2m1fn_x2,strided,sparse_coo,contiguous_format,"
     "preserve_format,channels_last,channels_last_3d,per_tensor_affine,"
     "per_channel_affine}"},
    {"torch", "{bits,int,uint}[1-9]*"},
    {"torch.storage", "{UntypedStorage,TypedStorage,_TypedStorage,_UntypedStorage}"},
    {"torch.storage", "_load_from_bytes"},
    {"torch._utils",
     "_rebuild_{tensor,tensor_v2,tensor_v3,parameter,parameter_with_state,sparse_tensor,"
     "sparse_csr_tensor,qtensor,meta_tensor_no_storage,wrapper_subclass,device_tensor_from_numpy,"
     "device_tensor_from_cpu_tensor,nested_tensor}"},
    {"torch._tensor", "_rebuild_from_type{,_v2}"},
    {"torch.nn.parameter", "{Parameter,Buffer,UninitializedParameter}"},
    {"torch.nn.modules.*", "[A-Z]*"},
    {"torch.serialization", "_get_layout"},
    {"torch.{optim,optim.lr_scheduler,optim.*}", "[A-Z]*"},
    {"torch.distributed.{tensor,_tensor}{,.*}",
     "{DTensor,DTensorSpec,TensorMeta,Shard,_StridedShard,Replicate,Partial,_Partial,DeviceMesh,"
     "ShardOrderEntry}"},
    {"torch.distributed.{device_mesh,_tensor.device_mesh}", "{DeviceMesh,_MeshLayout}"},
    {"torch.distributed._mesh_layout", "{_MeshLayout,_FlatLayout}"},
    {"torch._C._distributed", "{Shard,_StridedShard,Replicate,Partial,Placement}"},
    {"torch.distributed.checkpoint.metadata",
     "{Metadata,TensorStorageMetadata,BytesStorageMetadata,TensorProperties,ChunkStorageMetadata,"
     "MetadataIndex,StorageMeta,_MEM_FORMAT_ENCODING{,.*}}"},
    {"torch.distributed.checkpoint.filesystem", "_StorageInfo"},
    {"torch.distributed._shard.sharded_tensor.metadata",
     "{TensorProperties,MEM_FORMAT_ENCODING{,.*}}"},
    {"numpy", "{dtype,ndarray}"},
    {"{numpy.core.multiarray,numpy._core.multiarray}", "{scalar,_reconstruct}"},
    {"numpy.{core,_core}.numeric", "_frombuffer"},
    {"numpy.dtypes", "[A-Z]*DType"},
    {"deepspeed.runtime.zero.config", "ZeroStageEnum{,.*}"},
    {"deepspeed.runtime.fp16.loss_scaler", "{LossScaler,DynamicLossScaler}"},
    {"deepspeed.utils.tensor_fragment", "fragment_address"},
};

// By what published attacks on pickle scanners have used; a module stands for all below it.
constexpr std::string_view kDangerousModules[] = {
    // Programs, the system, native code.
    "{os,posix,nt,posixpath,ntpath,sys,subprocess,_posixsubprocess,pty,commands,popen2,platform}",
    "{ctypes,_ctypes,cffi,mmap,signal,resource,fcntl,multiprocessing,threading,_thread,atexit,gc}",
    "{asyncio,concurrent,sched,psutil,pexpect,paramiko,fabric,invoke,sh,plumbum,_osx_support}",
    // Code from text, from files, from bytes.
    "{code,codeop,codecs,runpy,importlib,imp,zipimport,pkgutil,pydoc,pydoc_data,marshal,inspect}",
    "{dis,ast,symtable,compileall,py_compile,pickle,_pickle,cPickle,pickletools,shelve,dbm}",
    "{dill,cloudpickle,joblib,jsonpickle,yaml,ruamel,numba,functools,_functools,operator}",
    "{_operator,contextlib,bdb,pdb,cProfile,profile,pstats,trace,timeit,doctest,unittest,test}",
    "{nose,pytest,_pytest,idlelib,lib2to3,turtle,tkinter,cgitb,site,sysconfig,rlcompleter}",
    "{pip,ensurepip,venv,distutils,setuptools,pkg_resources,wheel,zipapp,ipykernel,IPython}",
    "{jupyter*,nbformat,_aix_support,_pyrepl,linecache,string,_string,logging.config}",
    // Files and networks.
    "{io,_io,_pyio,shutil,tempfile,fileinput,glob,pathlib,zipfile,tarfile,bz2,lzma,gzip,sqlite3}",
    "{socket,_socket,ssl,select,selectors,socketserver,http,httplib,urllib,urllib2,urllib3}",
    "{requests,aiohttp,httpx,ftplib,smtplib,smtpd,telnetlib,poplib,imaplib,nntplib,xmlrpc}",
    "{xmlrpclib,webbrowser,antigravity,boto*,fsspec,wsgiref,cgi,email,mailcap}",
    // Parts of libraries that do the same.
    "torch.{hub,package,jit,onnx,testing,_inductor,_dynamo,fx,distributed.rpc,_jit_internal}",
    "torch.utils.{bottleneck,collect_env,model_zoo,cpp_extension,_config_module,show_pickle}",
    "numpy.{testing,distutils,f2py,lib,compat}",
    "scipy.io",
};

// Functions that modules of no danger happen to have.
constexpr Rule kDangerousNames[] = {
    {"{builtins,__builtin__}", "*"},  // what is not among the allowed
    {"{torch,torch.serialization}", "{load,save,compile,ops,classes,hub}"},
    {"torch._C*", "*{jit,import,load,dlopen}*"},
    {"numpy", "{load,save,fromfile,memmap,loadtxt,genfromtxt,frompyfunc,vectorize,fromregex}"},
    {"numpy.{core,_core}.*", "{fromfile,memmap,load}"},
    {"pandas*", "{read_*,eval}"},
    {"{tensorflow,keras}*", "*load*"},
    {"typing", "ForwardRef"},
    {"uuid", "_*"},
    {"*",
     "{system,popen*,spawn*,execv*,execl*,exec_command,import_module,runstring,run_code,"
     "run_path,check_output,check_call,getoutput,Popen,getattr,attrgetter,methodcaller,"
     "FunctionType,MethodType,CodeType}"},
};

// Plain holders of what else is named, and harmless without it.
constexpr Rule kUnknown[] = {
    {"functools", "partial"},
};

// Attributes that lead from any object to all others.
constexpr std::string_view kDangerousAttributes =
    "{__globals__,__builtins__,__class__,__bases__,__base__,__mro__,__subclasses__,__init__,"
    "__dict__,__code__,__call__,__reduce*,__getattr*,__setattr__,__import__,__loader__,__spec__,"
    "__self__,__func__,f_*,gi_*,cr_*,tb_*,func_globals,mro,load_module,sys,os,subprocess,builtins,"
    "system,popen,modules,importlib,eval,exec,open}";

// Compiled once: a model of a hundred shards asks a thousand times.
class Rules {
 public:
  explicit Rules(std::span<const Rule> rules) {
    for (const Rule& rule : rules) rules_.emplace_back(Glob(rule.module), Glob(rule.name));
  }
  bool match(std::string_view module, std::string_view name) const {
    return std::ranges::any_of(rules_, [&](const auto& rule) {
      return rule.first.matches(module) && rule.second.matches(name);
    });
  }

 private:
  std::vector<std::pair<Glob, Glob>> rules_;
};

class Patterns {
 public:
  explicit Patterns(std::span<const std::string_view> patterns) {
    for (const std::string_view pattern : patterns) patterns_.emplace_back(pattern);
  }
  bool match(std::string_view text) const {
    return std::ranges::any_of(patterns_, [&](const Glob& glob) { return glob.matches(text); });
  }

 private:
  std::vector<Glob> patterns_;
};

// Each prefix of a dotted path in turn: "a", "a.b", "a.b.c".
template <class Predicate>
bool any_prefix(std::string_view path, Predicate predicate) {
  for (size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1))
    if (predicate(path.substr(0, dot))) return true;
  return predicate(path);
}

template <class Predicate>
bool any_component(std::string_view path, Predicate predicate) {
  while (true) {
    const size_t dot = path.find('.');
    if (predicate(path.substr(0, dot))) return true;
    if (dot == std::string_view::npos) return false;
    path.remove_prefix(dot + 1);
  }
}

}  // namespace

std::string_view name(GlobalVerdict verdict) {
  constexpr std::string_view kNames[] = {"allowed", "unknown", "dangerous"};
  return kNames[static_cast<size_t>(verdict)];
}

GlobalVerdict judge_global(std::string_view module, std::string_view name) {
  // No honest name is that long; looking into it would take time.
  constexpr size_t kMaxBytes = 512;
  if (module.size() > kMaxBytes || name.size() > kMaxBytes) return GlobalVerdict::Dangerous;
  static const Patterns kModules(kDangerousModules);
  static const Patterns kAttributes({&kDangerousAttributes, 1});
  static const Rules kAllowedRules(kAllowed), kUnknownRules(kUnknown), kNameRules(kDangerousNames);
  const auto is_dangerous_module = [&](std::string_view text) { return kModules.match(text); };
  // "torch" "serialization.os.system": the path goes through modules that the module imported.
  if (name.find('.') != std::string_view::npos && any_component(name, [&](std::string_view part) {
        return kAttributes.match(part) || is_dangerous_module(part);
      }))
    return GlobalVerdict::Dangerous;
  if (kAllowedRules.match(module, name)) return GlobalVerdict::Allowed;
  if (kUnknownRules.match(module, name)) return GlobalVerdict::Unknown;
  const bool dangerous = any_prefix(module, is_dangerous_module) ||
                         kNameRules.match(module, name) || kAttributes.match(name);
  return dangerous ? GlobalVerdict::Dangerous : GlobalVerdict::Unknown;
}

}  // namespace stkit
