#include "support/hostile_pickles.h"

namespace stkit::test {
namespace {

using namespace std::string_literals;

std::string text(const std::string& value) {
  return "\x8C"s + static_cast<char>(value.size()) + value;
}
std::string stack_global(const std::string& module, const std::string& name) {
  return text(module) + text(name) + "\x93";
}

}  // namespace

std::vector<HostilePickle> hostile_pickles() {
  const std::string command = "X\4\0\0\0true"s;
  return {
      {"reduce", "cposix\nsystem\n" + command + "\x85R.", "posix.system"},
      {"protocol 0", "cos\nsystem\n(S'true'\ntR.", "os.system"},
      {"inst", "(S'true'\nios\nsystem\n.", "os.system"},
      {"obj", "(cos\nsystem\n" + command + "o.", "os.system"},
      {"new object", "csubprocess\nPopen\n" + command + "\x85\x81.", "subprocess.Popen"},
      {"stack global", "\x80\4" + stack_global("nt", "system") + command + "\x85R.", "nt.system"},
      {"names through the memo",
       "\x80\4" + text("os") + "\x94" + text("popen") + "\x94" + "00h\0h\1\x93"s + command +
           "\x85R.",
       "os.popen"},
      {"a name that is computed",
       "\x80\4" + text("os") + "cstr\nlower\n" + text("SYSTEM") + "\x85R\x93" + command + "\x85R.",
       "<computed>.<computed>"},
      {"a dotted name",
       "\x80\4" + stack_global("torch", "serialization.os.system") + command + "\x85R.",
       "torch.serialization.os.system"},
      {"getattr on a module", "c__builtin__\ngetattr\ncos\npath\n" + text("os") + "\x86R.",
       "os.path.os"},
      {"getattr on what a call gave",
       "cbuiltins\ngetattr\ncfoo\nmake\n)R" + text("system") + "\x86R.", "builtins.getattr"},
      {"attributes of a harmless class",
       "c__builtin__\ngetattr\ncdeepspeed.runtime.zero.config\nZeroStageEnum\n" + text("__init__") +
           "\x86Rq\0000c__builtin__\ngetattr\nh\0"s + text("__globals__") + "\x86R.",
       "deepspeed.runtime.zero.config.ZeroStageEnum.__init__.__globals__"},
      {"eval", "c__builtin__\neval\n" + command + "\x85R.", "__builtin__.eval"},
      {"exec of a module's own", "cnumpy.testing._private.utils\nrunstring\n" + command + "}\x86R.",
       "numpy.testing._private.utils.runstring"},
      {"a loader inside", "ctorch\nload\n" + command + "\x85R.", "torch.load"},
      {"code from the Hub", "ctorch.hub\nload\n" + command + "\x85R.", "torch.hub.load"},
      {"runpy", "crunpy\n_run_code\n" + command + "\x85R.", "runpy._run_code"},
      {"a locator", "cpydoc\nlocate\n" + command + "\x85R.", "pydoc.locate"},
      {"a debugger", "cbdb\nBdb\n)R.", "bdb.Bdb"},
      {"a socket", "csocket\ncreate_connection\n" + command + "\x85R.", "socket.create_connection"},
      {"a compiler's config", "ctorch.utils._config_module\nload_config\n)R.",
       "torch.utils._config_module.load_config"},
      {"an operator", "coperator\nmethodcaller\n" + text("system") + "\x85R.",
       "operator.methodcaller"},
      {"a file that is opened", "cio\nopen\n" + command + "\x85R.", "io.open"},
      {"an import", "cimportlib\nimport_module\n" + command + "\x85R.", "importlib.import_module"},
      {"a registered extension", "\x82\1)R.", "copyreg.<extension 1>"},
      // Broken on purpose: Python has run the call by the time it fails, a scanner may give up.
      {"a fault behind the call", "cos\nsystem\n" + command + "\x85R\xFF.", "os.system"},
      {"no end behind the call", "cos\nsystem\n" + command + "\x85R", "os.system"},
      {"popped before the end", "cos\nsystem\n" + command + "\x85R0N.", "os.system"},
      {"named in state", "cfoo\nBar\n)\x81}X\1\0\0\0xcos\nsystem\nsb."s, "os.system"},
  };
}

}  // namespace stkit::test
