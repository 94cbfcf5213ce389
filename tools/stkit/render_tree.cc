// Tensor names as a tree of their components, repeated layers told once.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <ranges>

#include "render_inspect.h"
#include "stkit/text.h"

namespace stkit::cli {
namespace {

struct NaturalLess {
  bool operator()(std::string_view left, std::string_view right) const {
    return natural_less(left, right);
  }
};

struct Node {
  std::map<std::string_view, Node, NaturalLess> children;
  const TensorInfo* tensor = nullptr;
  uint64_t tensors = 0, bytes = 0;  // of this node and all below

  void add(const TensorInfo& leaf) {
    ++tensors;
    bytes += leaf.size_bytes;
  }
};

// Deeper names are kept whole from here on: no real model comes near it, and a forged name of a
// megabyte of dots must not nest that deep.
constexpr size_t kDeepest = 32;

Node build(const Model& model, std::span<const uint32_t> selected) {
  Node root;
  for (const uint32_t index : selected) {
    const TensorInfo& tensor = model.tensors()[index];
    Node* node = &root;
    node->add(tensor);
    std::string_view rest = tensor.name;
    for (size_t depth = 1;; ++depth) {
      const size_t dot = depth < kDeepest ? rest.find('.') : std::string_view::npos;
      node = &node->children[rest.substr(0, dot)];
      node->add(tensor);
      if (dot == std::string_view::npos) break;
      rest.remove_prefix(dot + 1);
    }
    node->tensor = &tensor;
  }
  return root;
}

bool same_structure(const Node& a, const Node& b) {
  if (a.tensors != b.tensors || a.bytes != b.bytes || a.children.size() != b.children.size() ||
      (a.tensor == nullptr) != (b.tensor == nullptr))
    return false;
  if (a.tensor != nullptr &&
      (a.tensor->dtype != b.tensor->dtype || !std::ranges::equal(a.tensor->shape, b.tensor->shape)))
    return false;
  return std::ranges::equal(a.children, b.children, [](const auto& left, const auto& right) {
    return left.first == right.first && same_structure(left.second, right.second);
  });
}

std::optional<uint64_t> layer_number(std::string_view label) {
  uint64_t number = 0;
  const char* end = label.data() + label.size();
  const auto [stop, error] = std::from_chars(label.data(), end, number);
  // "007" is a name, not the number 7: it could not be told from it in a range.
  if (error != std::errc() || stop != end || (label.size() > 1 && label[0] == '0'))
    return std::nullopt;
  return number;
}

// One line of the tree: a node, or a run of equal numbered siblings.
struct Branch {
  std::string label;
  const Node* node;  // the first of the run
  uint64_t copies = 1;
};

std::vector<Branch> branches(const Node& node) {
  std::vector<Branch> found;
  for (auto child = node.children.begin(); child != node.children.end();) {
    Branch branch{std::string(child->first), &child->second, 1};
    const std::optional<uint64_t> first = layer_number(child->first);
    for (++child; first && child != node.children.end() &&
                  layer_number(child->first) == *first + branch.copies &&
                  same_structure(*branch.node, child->second);
         ++child)
      ++branch.copies;
    if (branch.copies > 1) branch.label += fmt::format("..{}", *first + branch.copies - 1);
    found.push_back(std::move(branch));
  }
  return found;
}

class TreeWriter {
 public:
  TreeWriter(Output& out, const Terminal& terminal)
      : out_(out), columns_(terminal.columns), paint_(terminal.color) {}

  void write(const Node& node, const std::string& margin, uint64_t copies) {
    const std::vector<Branch> all = branches(node);
    for (size_t i = 0; i < all.size() && !out_.closed(); ++i) {
      const bool last = i + 1 == all.size();
      const Branch shown = joined(all[i]);
      write_line(margin + (last ? "└─ " : "├─ "), shown, copies);
      write(*shown.node, margin + (last ? "   " : "│  "), copies * shown.copies);
    }
  }

 private:
  // A chain of only children is one line: "layers.0..35", "self_attn.q_proj.weight".
  static Branch joined(Branch branch) {
    while (branch.node->tensor == nullptr && branch.copies == 1) {
      std::vector<Branch> below = branches(*branch.node);
      if (below.size() != 1) break;
      branch = {branch.label + "." + below[0].label, below[0].node, below[0].copies};
    }
    return branch;
  }

  void write_line(const std::string& margin, const Branch& branch, uint64_t copies) {
    const uint64_t times = copies * branch.copies;
    std::string detail;
    if (branch.copies > 1) detail = fmt::format(" ({}×)", branch.copies);
    if (const TensorInfo* tensor = branch.node->tensor)
      detail += fmt::format("  {} {}", name(tensor->dtype), shape_text(tensor->shape));
    if (!branch.node->children.empty())
      detail += fmt::format("  {}, {}", counted(branch.node->tensors * times, "tensor"),
                            format_bytes(branch.node->bytes * times));
    const size_t used = display_width(margin) + display_width(detail);
    const std::string label =
        columns_ == 0 ? printable(branch.label)
                      : printable(branch.label, columns_ > used + 8 ? columns_ - used : 8);
    out_.write(paint_.dim(margin) + label + paint_.dim(detail) + "\n");
  }

  Output& out_;
  const unsigned columns_;
  const Paint paint_;
};

}  // namespace

void render_tree(Output& out, const Terminal& terminal, const Model& model,
                 std::span<const uint32_t> selected) {
  const Node root = build(model, selected);
  out.write(fmt::format("{}  {}, {}\n", Paint(terminal.color).bold(printable(model.name())),
                        counted(root.tensors, "tensor"), format_bytes(root.bytes)));
  TreeWriter(out, terminal).write(root, "", 1);
}

}  // namespace stkit::cli
