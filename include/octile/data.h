// Samples from disk and how they become network inputs: sources, preprocessing, labels, .npz.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/tensor.h"
#include "octile/types.h"

namespace octile {

/// One batch: tensor name → array with the batch on axis 0. A single unnamed input has the key "".
using Batch = std::map<std::string, Tensor>;

/// How one raw sample becomes a network input, in this order: decode → resize/crop/letterbox →
/// channel order → x·scale → (x − mean)/std → layout. Stored in calibration caches (digest) and
/// plans, and used again by `run` and `compare`. Resizing is 2-tap bilinear with half-pixel centres
/// and no antialiasing, as a network would do it; image libraries that average when they shrink
/// (Pillow) give smoother pictures.
struct Preprocess {
  enum class Fit : uint8_t { kNone, kStretch, kCropCenter, kLetterbox };  // kCropCenter: short side
  enum class Color : uint8_t { kAsIs, kRgb, kBgr, kGray };
  /// Pictures are delivered in this layout: that of the network input. An array *is* in this
  /// layout: a kNhwc array goes in as it is where the input takes it, and is transposed to NCHW
  /// where that fits the input. An array that fits neither way is refused, never reinterpreted.
  enum class Layout : uint8_t { kNchw, kNhwc };
  Fit fit = Fit::kNone;
  int64_t height = 0, width = 0;  // 0: the network input's
  int64_t resize = 0;             // kCropCenter: the short side before the crop; 0: the crop's own
  float letterbox_value = 114.0f;
  bool letterbox_center = true;  // false: top-left (YOLOX)
  Color color = Color::kAsIs;
  float scale = 1.0f;            // x · scale, unless divisor is set
  float divisor = 0.0f;          // "1/255" on the command line: x / 255, one binary32 division
  std::vector<float> mean, std;  // per channel, after scale
  Layout layout = Layout::kNchw;
  bool operator==(const Preprocess&) const = default;

  /// True for the default: samples go in as they are.
  bool is_identity() const { return *this == Preprocess{}; }
  /// Parses "scale=1/255,mean=0.485:0.456:0.406,std=…,fit=crop,size=224x224,resize=256,color=bgr,
  /// layout=nchw" or the name of a JSON file with the same keys. Throws naming the bad key.
  static Preprocess parse(const std::string& text);
  std::string to_json() const;
  static Preprocess from_json(std::string_view json);
};

/// Where a picture lies on the network's input, in pixels of the latter: resized to (height,
/// width), its upper left corner at (top, left), which is negative where a crop cuts it off.
struct Placement {
  int64_t input_height = 0, input_width = 0;
  int64_t height = 0, width = 0;
  int64_t top = 0, left = 0;
  bool operator==(const Placement&) const = default;
};

/// A picture that a source delivers: its file, its own extents and where it lies on the input.
struct PictureInfo {
  std::string file;
  int64_t height = 0, width = 0;
  Placement placement;
};

/// What a data source should deliver.
struct DataOptions {
  int64_t batch = 1;
  int64_t first = 0;             // skip so many samples
  int64_t samples = -1;          // at most so many; −1: all
  std::optional<uint64_t> seed;  // draw `samples` at random (without replacement) by this seed
  Preprocess preprocess;
  /// Shape of one network input by name, batch axis included (extents may be kDynamic): images
  /// are fitted to it and arrays checked against it.
  std::map<std::string, Shape> input_shapes;
  /// Its element type, where known: arrays are converted to it (any numbers to float32; to integers
  /// only what they hold exactly). Without it, integers of 32 and 64 bits and bools stay as they
  /// are, everything else becomes float32.
  std::map<std::string, DataType> input_types;
};

/// A BatchSource is a finite, repeatable sequence of batches. Not thread-safe.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  /// The next batch, or nullopt at the end. The last batch may be smaller.
  virtual std::optional<Batch> next() = 0;
  /// Starts again from the first batch; the same batches follow in the same order.
  virtual void rewind() = 0;
  /// Total number of samples, −1 when not known.
  virtual int64_t size() const = 0;
  /// Labels of the delivered samples in order, when the source has them (IDX label file beside
  /// the images, "labels" key of an .npz), else empty.
  virtual std::vector<int64_t> labels() const { return {}; }
  /// The delivered pictures in order (reads the head of each file), empty where the samples are
  /// arrays. Throws as next() does where a picture cannot be read or does not fit.
  virtual std::vector<PictureInfo> pictures() const { return {}; }
  /// 16 hex digits over the delivered samples' raw bytes and preprocessing.
  virtual std::string digest() = 0;
};

/// Opens a directory of images, .npy, .npz, an IDX file or a directory with IDX files, CIFAR-10's
/// binary form (.bin), or a text file that lists images a line. Throws kInvalidFile / kIo /
/// kInvalidArgument naming the path.
std::unique_ptr<BatchSource> open_data(const std::string& path, const DataOptions& options);
/// A source over arrays in memory; each array has the samples on axis 0.
std::unique_ptr<BatchSource> memory_data(Batch samples, int64_t batch);

/// All arrays of an .npz (stored or deflated), or the one array of an .npy under "". C order;
/// Fortran-ordered arrays are transposed. Throws kInvalidFile naming file and member.
std::map<std::string, Tensor> load_npz(const std::string& path);
/// Writes a deflated .npz through a temporary file.
void save_npz(const std::string& path, const std::map<std::string, Tensor>& arrays);
Tensor load_npy(const std::string& path);
void save_npy(const std::string& path, const Tensor& array);
/// Any other text, through a temporary file: an old file survives a failure. A link stays and what
/// it points to is replaced; a device or pipe is written to. Throws kIo naming the file.
void save_text(const std::string& path, std::string_view text);
/// IDX (the MNIST format), gzip or plain: unsigned bytes only. Shape as in the file.
Tensor load_idx(const std::string& path);
/// One integer a line, an .npy of integers, or an IDX label file (gzip or plain).
std::vector<int64_t> load_labels(const std::string& path);

/// A labelled box in pixels of its picture; x1 and y1 are the far edges.
struct LabelledBox {
  double x0 = 0.0, y0 = 0.0, x1 = 0.0, y1 = 0.0;
  int64_t class_id = 0;
  bool crowd = false;  // COCO's iscrowd: a region of many, neither to be found nor wrong to find
};
/// The boxes of each picture. `path` is a directory of YOLO's texts (NAME.txt for NAME.jpg, lines
/// of `class cx cy w h` relative to the picture; a picture without a text has no boxes), or COCO's
/// JSON (pictures by file name; classes are numbered from 0 by ascending category id), or "": the
/// texts beside the pictures, or in a directory `labels` beside theirs. Throws kInvalidFile / kIo
/// naming file and line or entry; kInvalidArgument when no picture has labels.
std::vector<std::vector<LabelledBox>> load_boxes(const std::string& path,
                                                 const std::vector<PictureInfo>& pictures);

}  // namespace octile
