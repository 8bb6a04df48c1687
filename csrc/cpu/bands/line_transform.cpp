#include "line_transform.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <map>
#include <utility>

#include "../../common/geometry.h"

namespace phasenet {
namespace {

using Number = std::complex<double>;

struct Radix {
  int64_t size;
  double cost;  // of a pass, per number, as measured
};
constexpr Radix kRadices[] = {{2, 4}, {3, 5}, {4, 5}, {5, 8}, {6, 8.5}, {7, 11}, {8, 7.4}};
// What a convolution costs beside its two transforms, per number, and by what a chirp makes all of
// it dearer.
constexpr double kConvolutionCost = 16, kChirpShare = 1.5;

int64_t smallest_prime(int64_t n) {
  for (int64_t p = 2; p * p <= n; ++p) {
    if (n % p == 0) {
      return p;
    }
  }
  return n;
}

// The ways to transform lines, the cheapest for each length; those asked for are kept.
class Ways {
 public:
  struct Passes {
    std::vector<int64_t> radices;
    double cost = 0;  // per number
  };
  struct Prime {
    int64_t length = 0;  // of the convolution; r - 1 is Rader's, 0 none
    double cost = 0;     // per number
  };

  const Passes& passes(int64_t n) {
    const auto known = passes_.find(n);
    if (known != passes_.end()) {
      return known->second;
    }
    Passes best;
    best.cost = n == 1 ? 0 : std::numeric_limits<double>::infinity();
    const auto attempt = [&](int64_t radix, double cost) {
      const Passes& rest = passes(n / radix);
      if (cost + rest.cost < best.cost) {
        best = rest;
        best.radices.push_back(radix);
        best.cost += cost;
      }
    };
    for (const Radix& radix : kRadices) {
      if (n % radix.size == 0) {
        attempt(radix.size, radix.cost);
      }
    }
    const int64_t least = smallest_prime(n);
    if (least > 7) {
      attempt(least, prime(least).cost);
    }
    return passes_[n] = std::move(best);
  }

  // r > 7.
  const Prime& prime(int64_t r) {
    const auto known = primes_.find(r);
    if (known != primes_.end()) {
      return known->second;
    }
    Prime best{
        0,
        r <= kLargestPrime ? 4 + static_cast<double>(r) : std::numeric_limits<double>::infinity()};
    const auto attempt = [&](int64_t length, double share) {
      const double cost = share * (2 * passes(length).cost + kConvolutionCost);
      if (cost < best.cost) {
        best = {length, cost};
      }
    };
    attempt(r - 1, 1);
    for (int64_t length = 2 * r - 1; best.cost > kLeastChirpCost && length <= 4 * r; ++length) {
      if (is_smooth(length)) {
        attempt(length, kChirpShare * static_cast<double>(length) / static_cast<double>(r));
      }
    }
    return primes_[r] = best;
  }

 private:
  static constexpr double kLeastChirpCost = 150;  // no convolution by a chirp costs less

  static bool is_smooth(int64_t n) {
    for (const int64_t prime : {2, 3, 5, 7}) {
      for (; n % prime == 0; n /= prime) {
      }
    }
    return n == 1;
  }

  std::map<int64_t, Passes> passes_;
  std::map<int64_t, Prime> primes_;
};

Number root_of_unity(int64_t j, int64_t n) {  // e^(2 pi i j / n)
  return std::polar(1.0, 2 * kPi * static_cast<double>(j % n) / static_cast<double>(n));
}

// sum_j x[start + j step] e^(-2 pi i j k / n) for k < n: of the remainders by the smallest prime,
// put together.
std::vector<Number> spectrum(const std::vector<Number>& x, size_t start = 0, size_t step = 1) {
  const size_t n = x.size() / step;
  if (n == 1) {
    return {x[start]};
  }
  const auto prime = static_cast<size_t>(smallest_prime(static_cast<int64_t>(n)));
  std::vector<Number> result(n);
  for (size_t r = 0; r < prime; ++r) {
    const std::vector<Number> part = spectrum(x, start + r * step, step * prime);
    for (size_t k = 0; k < n; ++k) {
      result[k] += part[k % part.size()] *
                   std::conj(root_of_unity(static_cast<int64_t>(r * k), static_cast<int64_t>(n)));
    }
  }
  return result;
}

// Powers of the least generator modulo a prime r: g^0 ... g^(r - 2).
std::vector<int32_t> generated(int64_t r) {
  for (int64_t g = 2;; ++g) {
    std::vector<int32_t> powers{1};
    for (int64_t x = g; x != 1; x = x * g % r) {
      powers.push_back(static_cast<int32_t>(x));
    }
    if (static_cast<int64_t>(powers.size()) == r - 1) {
      return powers;
    }
  }
}

template <typename T>
void append(std::vector<T>& numbers, Number x) {
  numbers.push_back(static_cast<T>(x.real()));
  numbers.push_back(static_cast<T>(x.imag()));
}

}  // namespace

// The convolution that stands for a transform of r numbers, r a prime.
template <typename T>
class PrimeTransform {
 public:
  PrimeTransform(int64_t r, int64_t length) : line_(length) {
    plan_ = {line_.plan(), 0, nullptr, nullptr, nullptr, nullptr};
    std::vector<Number> with(length);
    if (length == r - 1) {
      sources_ = generated(r);
      targets_ = sources_;
      std::reverse(targets_.begin() + 1, targets_.end());
      for (int64_t i = 0; i < length; ++i) {
        with[i] = std::conj(root_of_unity(targets_[i], r));
      }
    } else {
      for (int64_t j = 0; j < r; ++j) {
        const Number c = std::conj(root_of_unity(j * j % (2 * r), 2 * r));
        append(chirp_, c);
        with[j] = with[(length - j) % length] = std::conj(c);
        sources_.push_back(static_cast<int32_t>(j));
      }
      targets_ = sources_;
      plan_.chirp = chirp_.data();
    }
    for (const Number& x : phasenet::spectrum(with)) {
      append(spectrum_, x / static_cast<double>(length));
    }
    plan_.count = static_cast<int64_t>(sources_.size());
    plan_.sources = sources_.data();
    plan_.targets = targets_.data();
    plan_.spectrum = spectrum_.data();
  }

  const Convolution<T>& plan() const {
    return plan_;
  }
  size_t bytes() const {
    return line_.bytes() + (chirp_.size() + spectrum_.size()) * sizeof(T) +
           (sources_.size() + targets_.size()) * sizeof(int32_t);
  }

 private:
  LineTransform<T> line_;
  Convolution<T> plan_;
  std::vector<int32_t> sources_, targets_;
  std::vector<T> chirp_, spectrum_;
};

double line_cost(int64_t n) {
  return Ways().passes(n).cost;
}

template <typename T>
LineTransform<T>::LineTransform(int64_t n) {
  Ways ways;
  std::vector<int64_t> radices = ways.passes(n).radices;
  // Powers of two first and the smallest of them first was fastest.
  std::sort(radices.begin(), radices.end(), [](int64_t a, int64_t b) {
    const auto rank = [](int64_t radix) { return std::pair(radix % 2 == 1 || radix == 6, radix); };
    return rank(a) < rank(b);
  });
  plan_ = {n, static_cast<int64_t>(radices.size()), 0, {}};
  size_t count = 0;
  for (int64_t i = 0, m = n; i < plan_.count; ++i) {
    m /= radices[i];
    count += 2 * (m * (radices[i] - 1) + radices[i]);
  }
  factors_.reserve(count);  // pointers into it are kept
  int64_t s = 1, m = n;
  for (int64_t i = 0; i < plan_.count; ++i) {
    const int64_t radix = radices[i];
    m /= radix;
    const T* twiddles = factors_.data() + factors_.size();
    for (int64_t p = 0; p < m; ++p) {
      for (int64_t k = 1; k < radix; ++k) {
        append(factors_, std::conj(root_of_unity(p * k, m * radix)));
      }
    }
    plan_.passes[i] = {radix, m, s, twiddles, nullptr, nullptr};
    s *= radix;
    const int64_t length = radix > 7 && radix != 8 ? ways.prime(radix).length : 0;
    if (length > 0) {
      primes_.push_back(std::make_unique<PrimeTransform<T>>(radix, length));
      const Convolution<T>& convolution = primes_.back()->plan();
      plan_.passes[i].convolution = &convolution;
      plan_.beside = std::max(plan_.beside, 2 * length + convolution.line.beside);
      continue;
    }
    plan_.passes[i].roots = factors_.data() + factors_.size();
    const int64_t part = radix == 6 ? 3 : radix;  // radix 6 is made of 2 and 3
    for (int64_t j = 0; j < part; ++j) {
      append(factors_, root_of_unity(j, part));
    }
  }
}

template <typename T>
LineTransform<T>::~LineTransform() = default;

template <typename T>
size_t LineTransform<T>::bytes() const {
  size_t total = factors_.size() * sizeof(T);
  for (const auto& prime : primes_) {
    total += prime->bytes();
  }
  return total;
}

template class LineTransform<float>;
template class LineTransform<double>;

}  // namespace phasenet
