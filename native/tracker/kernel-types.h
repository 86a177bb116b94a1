// Asks the running kernel's own type information which points it has and what their arguments are.
#pragma once

#include <bpf/btf.h>

#include <map>
#include <memory>
#include <string>

#include "programs.h"

namespace afterimage {

class KernelTypes {
 public:
  KernelTypes();

  /** Empty when the point of `fact` is there with the arguments it wants, else why not. */
  std::string WhyNot(const ProgramFact& fact);

 private:
  struct Free {
    void operator()(struct btf* types) const { btf__free(types); }
  };
  using Btf = std::unique_ptr<struct btf, Free>;

  const struct btf* Module(const char* name);

  Btf kernel_;
  std::map<std::string, Btf> modules_;
};

}  // namespace afterimage
