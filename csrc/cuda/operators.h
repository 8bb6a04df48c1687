// The CUDA implementations of the operators; their schema is in ../ops.cpp.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>
#include <string>
#include <vector>

namespace phasenet::cuda {

using torch::stable::Tensor;

std::vector<Tensor> pyramid(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    int64_t bands_per_octave,
    double width,
    std::vector<int64_t> parts,
    std::vector<int64_t> orientations = {});
void pyramid_out(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    int64_t bands_per_octave,
    double width,
    std::vector<Tensor> out);
Tensor pyramid_backward(
    const Tensor& highpass_grad,
    std::vector<Tensor> band_grads,
    const Tensor& lowpass_grad,
    int64_t bands_per_octave,
    double width,
    std::vector<int64_t> parts,
    int64_t nbands = 0,
    std::vector<int64_t> orientations = {});
Tensor pyramid_inverse(
    const Tensor& highpass,
    std::vector<Tensor> bands,
    const Tensor& lowpass,
    int64_t bands_per_octave,
    double width,
    std::vector<int64_t> parts,
    int64_t nbands = 0,
    std::vector<int64_t> orientations = {});
void pyramid_inverse_out(
    const Tensor& highpass,
    std::vector<Tensor> bands,
    const Tensor& lowpass,
    int64_t bands_per_octave,
    double width,
    Tensor out);
std::vector<Tensor> pyramid_inverse_backward(
    const Tensor& grad,
    int64_t height,
    int64_t nbands,
    int64_t bands_per_octave,
    double width,
    std::vector<int64_t> parts,
    std::vector<int64_t> orientations = {});
std::vector<Tensor> phase_difference_windows(
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::string unwrap,
    std::string boundary,
    std::optional<torch::headeronly::ScalarType> dtype);
void phase_difference_windows_out(
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::string unwrap,
    std::string boundary,
    std::optional<torch::headeronly::ScalarType> dtype,
    std::vector<Tensor> out);
Tensor phase_difference_windows_backward(
    std::vector<Tensor> grads,
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::string unwrap,
    std::string boundary);
Tensor band_phase(const Tensor& bands);
Tensor turn_phase(const Tensor& bands, const Tensor& turns, double smoothing);
void turn_phase_push(
    Tensor bands,
    Tensor state,
    int64_t t,
    std::vector<double> filter,
    double gain,
    bool still,
    double smoothing,
    double limit = 0);

}  // namespace phasenet::cuda
