// What becomes of a failed call of torch. Through the stable ABI comes a code and no exception, so
// running out of memory is told by words, of which phasenet/operators.py makes torch's own error.
#pragma once

#include <stdexcept>
#include <string>

// Torch's words on the last failure in this thread; null before torch 2.13, which says them on
// standard error only.
extern "C" __attribute__((weak)) const char* torch_exception_get_what_without_backtrace();

namespace phasenet {

// Ends an operator in which `what`, a call of torch, has failed. `is_memory()` tells whether for
// want of memory where torch does not say.
template <typename Guess>
[[noreturn]] void explain_failure(const std::string& what, const Guess& is_memory) {
  std::string reason;
  if (torch_exception_get_what_without_backtrace != nullptr) {
    reason = torch_exception_get_what_without_backtrace();
    reason = reason.substr(0, reason.find('\n'));
  }
  const auto says = [&](const char* words) { return reason.find(words) != std::string::npos; };
  // A GPU's words, and the CPU's.
  const bool memory =
      reason.empty() ? is_memory() : says("out of memory") || says("allocate memory");
  if (memory) {
    throw std::runtime_error(
        "phasenet: out of memory in " + what + (reason.empty() ? "" : ": " + reason));
  }
  throw std::runtime_error(
      "phasenet: " + what +
      " failed: " + (reason.empty() ? "torch has said why on standard error" : reason));
}

}  // namespace phasenet
