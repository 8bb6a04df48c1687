// Launches of the kernels that transform small frames (cosine_planes.cuh,
// square_planes.cuh).
#pragma once

#include "cosine_planes.cuh"
#include "square_planes.cuh"

namespace phasenet::cuda {

template <typename T>
void fill_tables(
    const Launch& launch, const PhaseOptions& options, const CosinePlan& plan, T* tables) {
  launch(
      cosine_tables<T>,
      blocks_for(plan.table_elements, 256),
      dim3(256),
      0,
      plan,
      directions<double>(options.nbands),
      tables);
}

// The planes of `count` frames from frame `begin` on.
template <typename T>
void fill_by_cosines(
    const Launch& launch,
    const Tensor& frames,
    int64_t begin,
    int64_t count,
    const PhaseOptions& options,
    const CosinePlan& plan,
    const T* tables,
    const std::vector<Planes<T>>& levels) {
  const int phase_turns = static_cast<int>((options.nbands - 1) % 4);
  const auto of = [&](const auto* data, T scale) {
    using In = std::remove_cv_t<std::remove_pointer_t<decltype(data)>>;
    data += begin * image_size(frames).area();
    // MIMAMO's frames and levels are known when compiling, and made together.
    if constexpr (std::is_same_v<T, float>) {
      const auto is = [&](int i, int number) {
        const CosineLevel& level = plan.levels[i];
        return level.y.frame == 48 && level.x.frame == 48 && level.number == number;
      };
      if (plan.nbands == 2 && levels.size() == 2 && is(0, 1) && is(1, 2)) {
        launch(
            both_planes_by_cosines<In>,
            2 * count,
            dim3(256),
            cosine_bytes<T>(plan.levels[0], plan.nbands),
            data,
            scale,
            plan,
            tables,
            levels[0],
            levels[1],
            phase_turns);
        return;
      }
    }
    for (size_t i = 0; i < levels.size(); ++i) {
      launch(
          planes_by_cosines<T, In>,
          count,
          dim3(256),
          cosine_bytes<T>(plan.levels[i], plan.nbands),
          data,
          scale,
          plan,
          static_cast<int>(i),
          tables + plan.levels[i].begin,
          levels[i],
          phase_turns);
    }
  };
  if (frames.scalar_type() == ScalarType::Byte) {
    of(frames.const_data_ptr<uint8_t>(), T(255));
  } else {
    of(frames.const_data_ptr<T>(), T(1));
  }
}

// Whether planes_of_squares makes all levels.
inline bool are_frames_of_squares(const CosinePlan& plan) {
  const auto is = [&](int i, int number) {
    const CosineLevel& level = plan.levels[i];
    return level.y.frame == kFrameSide && level.x.frame == kFrameSide && level.number == number;
  };
  return plan.pays && plan.nbands == 2 && plan.count == 2 && is(0, 1) && is(1, 2);
}

// The tables of frames of squares, of so many pieces of 16 bytes, which threads of `kernel` make
// one each: few, in small blocks, so that all multiprocessors have some.
template <typename T>
void fill_square_tables(
    const Launch& launch,
    void (*kernel)(Directions<double>, Four<Halves>*),
    int pieces,
    T* tables) {
  launch(
      kernel,
      blocks_for(pieces, 32),
      dim3(32),
      0,
      directions<double>(2),
      reinterpret_cast<Four<Halves>*>(tables));
}

// The planes of `count` frames from frame `begin` on, in blocks.
template <typename T>
void fill_squares(
    const Launch& launch,
    const Tensor& frames,
    int64_t begin,
    int64_t count,
    const T* tables,
    const std::vector<Planes<T>>& levels) {
  if constexpr (std::is_same_v<T, float>) {
    const auto of = [&](const auto* data) {
      using In = std::remove_cv_t<std::remove_pointer_t<decltype(data)>>;
      launch(
          planes_of_squares<In>,
          count,
          dim3(kPlaneThreads),
          kPlaneBytes,
          data + begin * image_size(frames).area(),
          reinterpret_cast<const Four<Halves>*>(tables),
          levels[0],
          levels[1]);
    };
    if (frames.scalar_type() == ScalarType::Byte) {
      of(frames.const_data_ptr<uint8_t>());
    } else {
      of(frames.const_data_ptr<float>());
    }
  }
}

}  // namespace phasenet::cuda
