// Where phases wrap from frame to frame, for gradient_walk.cuh: masks of the last frames, and what
// is read and written at wraps. Who takes a row takes all of its wraps, so that sums keep one
// order.
#pragma once

#include "gradient_block.cuh"

namespace phasenet::cuda {

template <int kSide, bool kInBlocks>
class GradientWraps : public GradientBlock<kSide, kInBlocks> {
  using Base = GradientBlock<kSide, kInBlocks>;

 public:
  __device__ __forceinline__
  GradientWraps(const GradientLevel& level, bool only_down, int64_t block)
      : Base(level, block), only_down_(only_down) {
    for (int i = this->thread(); i < this->memory_.all_words; i += this->kThreads) {
      this->words()[i] = 0;
    }
  }

 protected:
  // Which of P + 1 places belongs to the frame `back` frames ago.
  __device__ __forceinline__ int slot(int back) const {
    const int slot = slot_ - back;
    return slot < 0 ? slot + this->num_phase() + 1 : slot;
  }

  // Of frame t, to the masks of now.
  __device__ __forceinline__ void find_wraps(int t, bool here) {
    slot_ = slot_ < this->num_phase() ? slot_ + 1 : 0;
    float before[kRun] = {}, after[kRun] = {};
    const bool may = here && t > 0;
    if (may) {
      this->load(this->level_.phase, t - 1, before);
      this->load(this->level_.phase, t, after);
    }
    uint32_t* ups = up(0) + this->thread() / 32;
    const int lane = this->thread() % 32;
    uint32_t fresh[kRun / 4] = {};
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      uint32_t &up_word = ups[j * this->memory_.words], &down_word = (&up_word)[this->memory_.down];
      const auto own = [&](uint32_t rises, uint32_t falls) {
        return ((rises >> lane & 1) - (falls >> lane & 1)) << j % 4 * 8;
      };
      const float change = after[j] - before[j];
      const bool wraps = may && this->inside(j);
      const uint32_t rises =
          __ballot_sync(0xffffffffu, wraps && !only_down_ && change < -float(kPi));
      const uint32_t falls = __ballot_sync(0xffffffffu, wraps && change > float(kPi));
      counts_[j / 4] -= own(up_word, down_word);
      fresh[j / 4] += own(rises, falls);
      __syncwarp();
      if (lane == 0) {
        up_word = rises;
        down_word = falls;
      }
    }
#pragma unroll
    for (int i = 0; i < kRun / 4; ++i) {
      counts_[i] += fresh_[i];
      fresh_[i] = fresh[i];
    }
  }

  // The sum of own wraps of the P frames before this.
  __device__ __forceinline__ float count(int j) const {
    return static_cast<float>(static_cast<int>(counts_[j / 4] >> j % 4 * 8 & 255) - 128);
  }

  // Spreads along x, in the first plane, what the windows of age `spread` wrapped first, `spread` -
  // 1 frames ago; and where phases wrapped `read` frames ago, if it is not 0, blurs the third plane
  // along x and sums that up.
  __device__ __forceinline__ void take_rows(int spread, int read) const {
    const int rows = this->held() * this->h();
    for (int task = this->thread(); task < 2 * rows; task += this->kThreads) {
      const bool reads = task >= rows;
      const int part = (reads ? task - rows : task) / this->h(), row = task % this->h();
      const GradientPlane& plane = this->parts()[part];
      const uint32_t* ups = up(reads ? read : spread - 1) + row % kRun * this->memory_.words;
      const uint32_t* downs = ups + this->memory_.down;
      const int bit = part * this->lanes() + row / kRun * this->w();
      const int at = (row + kReach) * this->memory_.spread_stride;
      if (!reads && spread <= plane.last) {
        const int within = kInBlocks ? row % kRun : 0;
        spread_wraps(
            ups,
            downs,
            bit,
            this->w(),
            this->level_.amplitude + plane.here + (row - within) * this->w() + within,
            this->plane(part, 0) + at,
            kInBlocks ? kRun : 1);
      } else if (reads && read > 0 && plane.ends) {
        const float* from = this->plane(part, 2) + at;
        float* to =
            this->elements() + this->memory_.wrapped + part * this->area() + row * this->w();
        for_wraps(ups, downs, bit, this->w(), [&](int x, bool rises) {
          float sum = 0;
#pragma unroll
          for (int k = 0; k < kTaps; ++k) {
            sum += tap<float>(k - kReach) * from[x + k];
          }
          to[x] += rises ? sum : -sum;
        });
      }
    }
  }

 private:
  // Masks of the wraps `back` frames ago.
  __device__ __forceinline__ uint32_t* up(int back) const {
    return this->words() + slot(back) * kRun * this->memory_.words;
  }

  const bool only_down_;
  int slot_ = -1;  // of now
  // Sums of own wraps and 128, and own wraps of now, a byte for each row.
  uint32_t counts_[kRun / 4] = {0x80808080, 0x80808080}, fresh_[kRun / 4] = {};
};

}  // namespace phasenet::cuda
