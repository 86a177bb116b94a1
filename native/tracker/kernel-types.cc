#include "kernel-types.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace afterimage {
namespace {

/** `*name` for a pointer to a struct, the bytes of a number, `?` for anything else. */
std::string ArgumentOf(const struct btf* types, __u32 id) {
  int resolved = btf__resolve_type(types, id);
  const btf_type* type = resolved < 0 ? nullptr : btf__type_by_id(types, resolved);
  if (type == nullptr) return "?";
  if (btf_is_int(type) || btf_is_any_enum(type)) return std::to_string(type->size);
  if (!btf_is_ptr(type)) return "?";
  resolved = btf__resolve_type(types, type->type);
  const btf_type* target = resolved < 0 ? nullptr : btf__type_by_id(types, resolved);
  if (target == nullptr || !btf_is_struct(target)) return "?";
  return std::string("*") + btf__name_by_offset(types, target->name_off);
}

/** The arguments of a point, which is a typedef of a pointer to a function; the first is not one. */
std::string ArgumentsOf(const struct btf* types, int point) {
  const btf_type* type = btf__type_by_id(types, point);
  const btf_type* pointer = type == nullptr ? nullptr : btf__type_by_id(types, type->type);
  if (pointer == nullptr || !btf_is_ptr(pointer)) return "";
  const btf_type* function = btf__type_by_id(types, pointer->type);
  if (function == nullptr || !btf_is_func_proto(function)) return "";
  std::string text;
  for (int index = 1; index < btf_vlen(function); index++) {
    text += ArgumentOf(types, btf_params(function)[index].type) + " ";
  }
  return text;
}

}  // namespace

KernelTypes::KernelTypes() : kernel_(btf__load_vmlinux_btf()) {
  if (!kernel_) {
    throw std::runtime_error(std::string("the kernel has no type information (BTF): ") +
                             std::strerror(errno));
  }
}

const struct btf* KernelTypes::Module(const char* name) {
  auto& module = modules_[name];
  if (!module) module.reset(btf__load_module_btf(name, kernel_.get()));
  return module.get();
}

std::string KernelTypes::WhyNot(const ProgramFact& fact) {
  const std::string name = std::string("btf_trace_") + fact.point;
  const struct btf* types = kernel_.get();
  int point = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_TYPEDEF);
  if (point < 0 && fact.group != Group::kAny) {
    types = Module(fact.group == Group::kExt4 ? "ext4" : "xfs");
    if (types != nullptr) point = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_TYPEDEF);
  }
  if (types == nullptr || point < 0) return std::string("the kernel has no ") + fact.point;
  const std::string wanted = std::string(fact.arguments) + " ";
  if (ArgumentsOf(types, point).compare(0, wanted.size(), wanted) == 0) return "";
  return std::string("the kernel's ") + fact.point + " takes other arguments";
}

}  // namespace afterimage
