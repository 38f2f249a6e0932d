// Images as tiles of activations want them: rows of bytes, one an output pixel, equally spaced over
// the whole image for every step of k.
//
// Three forms, the first that fits or the cheaper:
//   as it is   matrix rows, and 1 × 1 windows without stride or padding; not in dynamic steps:
//              samples have blocks of their own there, and the last one's tiles would read beyond
//   padded     the image with its borders, planes of image rows by h modulo the stride: a row is
//              what begins every stride · channels bytes, overlapping the next. Rows run on over
//              the border: pitch − out_w of them an image row are computed for nothing
//   folded     the taps of a kernel row side by side for every output column, in the same planes:
//              no row for nothing
#pragma once

#include <vector>

#include "kernels/cpu/amx_weights.h"
#include "plan/geometry.h"

namespace octile {

struct AmxLayout {
  enum class Form : uint8_t { kAsItIs, kPadded, kFolded };
  Form form = Form::kAsItIs;
  int64_t pitch = 1;        // rows from one image row of the output to the next
  int64_t row_bytes = 0;    // from row to row
  int64_t rows = 0;         // of an image: (out_h − 1) · pitch + out_w
  int64_t plane_rows = 0;   // image rows of a plane
  int64_t planes = 1;       // copies: image rows by h modulo the stride
  int64_t image_bytes = 0;  // from image to image
  /// True when rows of consecutive images are equally spaced too.
  bool is_flat() const { return image_bytes == rows * row_bytes; }
};

AmxLayout amx_layout(const ConvStep& step, const Geometry& g, const AmxCut& cut);
/// Bytes of copied images, whichever form is chosen, with what tiles may read beyond (or 0):
/// monotone in the shapes.
int64_t amx_image_bytes(const ConvStep& step, const Geometry& g, const AmxCut& cut);
/// Of each step of k, from a row's first byte.
std::vector<int32_t> amx_step_offsets(const ConvStep& step, const Geometry& g, const AmxCut& cut,
                                      const AmxLayout& layout);
/// Copies the image rows [begin, end) of all planes of all images; `zeros`: of each image, every
/// `zero_step` elements, what padding holds.
void amx_copy_images(const Geometry& g, const AmxLayout& layout, const uint8_t* x,
                     const int32_t* zeros, int64_t zero_step, int64_t begin, int64_t end,
                     uint8_t* to);
}  // namespace octile
