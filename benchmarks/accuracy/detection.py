"""Boxes: preparing pictures, decoding detectors' outputs, non-maximum suppression, average precision.

Boxes are (x1, y1, x2, y2) relative to the picture. Resizing is OpenCV's bilinear rule (pixel centres at half,
no filter when it shrinks), which the detectors were trained with; Pillow's filters when it shrinks.
"""
import numpy as np
from PIL import Image


def resize(picture, height, width):
    """(H, W, C) → (height, width, C), bilinear between pixel centres, float32."""
    def axis(source, target):
        at = (np.arange(target) + 0.5) * source / target - 0.5
        low = np.floor(at).astype(int)
        part = (at - low).astype(np.float32)
        return low.clip(0, source - 1), (low + 1).clip(0, source - 1), part

    y0, y1, fy = axis(picture.shape[0], height)
    x0, x1, fx = axis(picture.shape[1], width)
    fx, fy = fx[None, :, None], fy[:, None, None]
    rows = lambda y: picture[y][:, x0] * (1 - fx) + picture[y][:, x1] * fx
    return np.round(rows(y0) * (1 - fy) + rows(y1) * fy)  # pictures hold whole numbers


def read(path):
    return np.asarray(Image.open(path).convert("RGB"), np.float32)


def stretch(path, width, height=None):
    """(3, height, width) RGB, 0 … 255."""
    return resize(read(path), height or width, width).transpose(2, 0, 1)


def letterbox(path, size):
    """YOLOX: BGR 0 … 255, the picture at the top left, 114 around it; with scale and (width, height)."""
    picture = read(path)
    height, width = picture.shape[:2]
    scale = min(size / height, size / width)
    small = resize(picture, int(height * scale), int(width * scale))
    canvas = np.full((size, size, 3), 114, np.float32)
    canvas[:small.shape[0], :small.shape[1]] = small
    return canvas[:, :, ::-1].transpose(2, 0, 1).copy(), scale, (width, height)


def labels(picture):
    """YOLO text beside the pictures: rows of class, x1, y1, x2, y2."""
    path = picture.parent.parent / "labels" / (picture.stem + ".txt")
    if not path.exists():
        return np.zeros((0, 5), np.float32)
    rows = np.loadtxt(path, np.float32, ndmin=2).reshape(-1, 5)
    c, x, y, w, h = rows.T
    return np.stack([c, x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)


def corners(x, y, w, h):
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)


def yolox(raw, size, scale, picture):
    """(N, 85) → boxes (N, 4), scores (N, 80): xy = (v + grid) · stride, wh = exp(v) · stride."""
    grids, strides = [], []
    for stride in (8, 16, 32):
        n = size // stride
        y, x = np.mgrid[:n, :n]
        grids.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((n * n, 1), stride))
    grid, stride = np.concatenate(grids), np.concatenate(strides)
    xy = (raw[:, :2] + grid) * stride / scale
    wh = np.exp(raw[:, 2:4].astype(np.float64)) * stride / scale
    boxes = corners(xy[:, 0], xy[:, 1], wh[:, 0], wh[:, 1]) / np.array([*picture, *picture])
    return boxes, raw[:, 4:5] * raw[:, 5:]


def fastestdet(raw):
    """(85, H, W) → boxes, scores: cx = (gx + tanh v1) / W, w = sigmoid v3; score = obj^0.6 · cls^0.4."""
    channels, height, width = raw.shape
    y, x = np.mgrid[:height, :width]
    sigmoid = lambda v: 1 / (1 + np.exp(-v.astype(np.float64)))
    boxes = corners((x + np.tanh(raw[1])) / width, (y + np.tanh(raw[2])) / height, sigmoid(raw[3]),
                    sigmoid(raw[4])).reshape(-1, 4)
    score = np.maximum(raw[0], 0) ** 0.6 * np.maximum(raw[5:], 0) ** 0.4
    return boxes, score.reshape(channels - 5, -1).T


def iou(a, b):
    """(N, 4), (M, 4) → (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inside = np.prod(np.clip(high - low, 0, None), -1)
    area = lambda r: np.prod(np.clip(r[:, 2:] - r[:, :2], 0, None), -1)
    return inside / np.maximum(area(a)[:, None] + area(b)[None] - inside, 1e-12)


def suppress(boxes, scores, threshold):
    """Indices that stay, best first."""
    order = np.argsort(-scores, kind="stable")
    overlap = iou(boxes[order], boxes[order])
    keep = np.ones(len(order), bool)
    for i in range(len(order)):
        if keep[i]:
            keep[i + 1:] &= overlap[i, i + 1:] <= threshold
    return order[keep]


def ap50(found, truth, nms, least=0.01):
    """COCO's 101-point average precision at IoU 0.5, mean over the classes that occur. `found`: boxes and
    scores (N, classes) a picture; `truth`: rows of class and box a picture."""
    by_class = {}
    for picture, (boxes, scores) in enumerate(found):
        for c in np.flatnonzero((scores > least).any(0)):
            chosen = np.flatnonzero(scores[:, c] > least)
            kept = chosen[suppress(boxes[chosen], scores[chosen, c], nms)]
            by_class.setdefault(int(c), []).extend(
                (scores[k, c], picture, boxes[k]) for k in kept)
    classes = sorted({int(row[0]) for rows in truth for row in rows})
    return float(np.mean([precision_of(by_class.get(c, []), [rows[rows[:, 0] == c, 1:] for rows in truth])
                          for c in classes]))


def precision_of(found, truth):
    total = sum(len(t) for t in truth)
    used = [np.zeros(len(t), bool) for t in truth]
    hits = []
    for _, picture, box in sorted(found, key=lambda f: -f[0]):
        overlap = iou(box[None], truth[picture])[0] * ~used[picture] if len(truth[picture]) else np.zeros(0)
        hit = len(overlap) > 0 and overlap.max() >= 0.5
        if hit:
            used[picture][overlap.argmax()] = True
        hits.append(hit)
    if not hits:
        return 0.0
    right = np.cumsum(hits)
    recall, precision = right / total, right / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.mean([precision[i] if i < len(precision) else 0.0 for i in at]))


def faces(scores, boxes, least=0.7, nms=0.5):
    """UltraFace: class 1 is the face; boxes that stay, a picture."""
    result = []
    for s, b in zip(scores[:, :, 1], boxes):
        chosen = np.flatnonzero(s > least)
        result.append(b[chosen[suppress(b[chosen], s[chosen], nms)]])
    return result


def box_agreement(a, b):
    """2 · (pairs with IoU ≥ 0.5) / (boxes of both): 1 where both find the same."""
    pairs = total = 0
    for x, y in zip(a, b):
        total += len(x) + len(y)
        overlap = iou(x, y) if len(x) and len(y) else np.zeros((0, 0))
        while overlap.size and overlap.max() >= 0.5:
            i, j = np.unravel_index(overlap.argmax(), overlap.shape)
            pairs += 1
            overlap[i, :] = overlap[:, j] = 0
    return 2 * pairs / total if total else 1.0
