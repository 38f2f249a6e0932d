"""Dims, Permutation, Weights and IHostMemory of octile.tensorrt: forms, conversions, lifetimes."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import octile.tensorrt as trt
from octile.tensorrt._types import as_dims, as_permutation, as_weights, native_values

FIXED = {trt.Dims2: 2, trt.DimsHW: 2, trt.Dims3: 3, trt.Dims4: 4}


# ---- Dims


@pytest.mark.parametrize(
    "extents, text",
    [((), "()"), ((5,), "(5,)"), ((1, 3), "(1, 3)"), ((-1, 1, 28, 28), "(-1, 1, 28, 28)")],
)
@pytest.mark.parametrize("kind", [tuple, list, np.array, trt.Dims])
def test_dims_print_as_tuples(kind, extents, text):
    made = trt.Dims(kind(extents) if extents or kind is not np.array else [])
    assert str(made) == repr(made) == f"{made}" == text
    assert list(made) == list(extents) and tuple(made) == extents and len(made) == len(extents)
    assert all(type(x) is int for x in made)


def test_dims_without_arguments():
    assert repr(trt.Dims()) == "()" and len(trt.Dims()) == 0
    assert repr(trt.Dims2()) == "(0, 0)" and repr(trt.Dims4()) == "(0, 0, 0, 0)"


@pytest.mark.parametrize("kind", FIXED)
def test_dims_of_fixed_length(kind):
    numbers = tuple(range(3, 3 + FIXED[kind]))
    assert kind(*numbers) == kind(list(numbers)) == kind(shape=numbers) == trt.Dims(numbers)
    assert isinstance(kind(*numbers), trt.Dims)
    with pytest.raises(ValueError, match=f"{kind.__name__} has {FIXED[kind]} extents, not 5"):
        kind([1, 2, 3, 4, 5])
    with pytest.raises(TypeError, match=kind.__name__):
        kind(*numbers, 1)


def test_dims_hw():
    made = trt.DimsHW(28, 14)
    assert (made.h, made.w) == (28, 14) and trt.DimsHW(h=28, w=14) == made
    made.h, made.w = 3, 4
    assert made == (3, 4) and isinstance(made, trt.Dims2)


def test_dims_named_arguments():
    assert trt.Dims(shape=[1, 2]) == (1, 2)
    assert trt.Dims2(dim0=3, dim1=4) == (3, 4) and trt.Dims3(1, dim1=2, dim2=3) == (1, 2, 3)
    with pytest.raises(TypeError, match="Dims2 takes dim0, dim1"):
        trt.Dims2(h=1, w=2)


def test_dims_reading():
    made = trt.Dims([1, 3, 224, 225])
    assert (made[0], made[-1], made[np.int64(2)]) == (1, 225, 224)
    assert made[1:] == (3, 224, 225) and type(made[1:]) is tuple
    assert made[::-1] == (225, 224, 3, 1) and made[:] + (7,) == (1, 3, 224, 225, 7)
    assert 224 in made and 5 not in made
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"index {index}"):
            made[index]
    with pytest.raises(TypeError):
        made["0"]


def test_dims_writing():
    made = trt.Dims([1, 3, 224, 224])
    made[0], made[-1] = 8, 10
    assert made == (8, 3, 224, 10)
    made[1:3] = [5, 6]
    assert made == (8, 5, 6, 10)
    made[2:] = trt.Dims2(1, 2)
    assert made == (8, 5, 1, 2)
    with pytest.raises(IndexError):
        made[4] = 1
    with pytest.raises(ValueError, match="2 elements cannot take 3"):
        made[:2] = [1, 2, 3]
    with pytest.raises(TypeError, match="float"):
        made[0] = 1.5
    assert made == (8, 5, 1, 2)


def test_dims_comparison():
    assert trt.Dims([1, 3]) == [1, 3] and (1, 3) == trt.Dims([1, 3]) == trt.Dims2(1, 3)
    assert trt.Dims([1, 3]) != [1, 3, 1] and trt.Dims([1, 3]) != (3, 1)
    assert trt.Dims([1]) != 1 and trt.Dims() == () and trt.Dims() is not None
    with pytest.raises(TypeError, match="unhashable"):
        hash(trt.Dims([1]))


def test_dims_limits():
    assert trt.Dims.MAX_DIMS == trt.Dims([1]).MAX_DIMS == trt.DimsHW(1, 1).MAX_DIMS == 8
    assert len(trt.Dims([1] * 8)) == 8
    with pytest.raises(ValueError, match="at most 8 extents, not 9"):
        trt.Dims([1] * 9)


@pytest.mark.parametrize("bad", [3, "12", [1.0], [None], {1, 2}, {1: 2}, [[1]]])
def test_dims_take_sequences_of_integers_alone(bad):
    with pytest.raises(TypeError, match="Dims takes"):
        trt.Dims(bad)


def test_invalid_dims():
    invalid = trt.Dims.invalid()
    for read in (len, list, tuple, lambda x: x[0], lambda x: x[:]):
        with pytest.raises(ValueError):
            read(invalid)
    assert invalid != () and invalid != trt.Dims() and invalid == trt.Dims.invalid()
    assert str(pickle.loads(pickle.dumps(invalid))) == "(-1)"


def test_numpy_takes_dims_as_a_shape():
    made = trt.Dims([2, 3])
    assert np.zeros(made).shape == (2, 3) and np.ones(6).reshape(made).shape == (2, 3)
    assert np.prod(made) == 6 and trt.volume(made) == 6


def test_dims_are_copied():
    made = trt.Dims([1, 2])
    for other in (trt.Dims(made), copy.copy(made), copy.deepcopy(made), as_dims(made)):
        other[0] = 7
        assert made == (1, 2) and other == (7, 2)
    assert pickle.loads(pickle.dumps(trt.DimsHW(3, 4))).w == 4


def test_as_dims_names_what_was_asked_for():
    assert as_dims((1, 2), "stride_nd", trt.DimsHW).h == 1
    with pytest.raises(TypeError, match="stride_nd takes a sequence of integers, not int 3"):
        as_dims(3, "stride_nd")


def test_volume():
    assert trt.volume([2, 3, 4]) == trt.volume(x for x in (2, 3, 4)) == 24
    assert trt.volume(()) == 1 and trt.volume((-1, 3)) == -3


# ---- Permutation


def test_permutation():
    made = trt.Permutation([0, 2, 1])
    assert str(made) == repr(made) == "(0, 2, 1, 0, 0, 0, 0, 0)" and len(made) == 8
    assert made == [0, 2, 1] and made == trt.Permutation((0, 2, 1)) and made != (0, 1, 2)
    made[3] = 3
    assert made[:4] == (0, 2, 1, 3) and made[1] == 2 and list(made)[:4] == [0, 2, 1, 3]
    assert trt.Permutation() == [0] * 8 and pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(ValueError, match="at most 8 numbers"):
        trt.Permutation(range(9))
    with pytest.raises(TypeError, match="first_transpose takes"):
        as_permutation(3, "first_transpose")
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)


# ---- Weights

TYPES = {
    np.float32: trt.float32,
    np.float16: trt.float16,
    np.int8: trt.int8,
    np.int32: trt.int32,
    np.int64: trt.int64,
    np.bool_: trt.bool,
    np.uint8: trt.uint8,
}


@pytest.mark.parametrize("scalar", TYPES)
def test_weights_of_an_array(scalar):
    array = (np.arange(6).reshape(1, 2, 3) % 2).astype(scalar)
    weights = trt.Weights(array)
    assert weights.dtype == TYPES[scalar]
    assert (weights.size, len(weights), weights.nbytes) == (6, 6, array.nbytes)
    shown = weights.numpy()
    assert shown.shape == (6,) and shown.dtype == scalar and np.array_equal(shown, array.ravel())
    assert np.shares_memory(shown, array)
    assert trt.Weights(a=array).size == 6 and as_weights(array).dtype == TYPES[scalar]


def test_weights_as_the_log_shows_them():
    weights = trt.Weights(np.ones((1, 1, 1, 1), dtype=np.float32))
    assert repr(weights.numpy()) == "array([1.], dtype=float32)"
    assert repr(weights.dtype) == "<DataType.FLOAT: 0>" and weights.nbytes == 4


@pytest.mark.parametrize("make", [lambda: trt.Weights(), lambda: trt.Weights(trt.float32)])
def test_empty_weights(make):
    weights = make()
    assert (weights.dtype, weights.size, weights.nbytes) == (trt.float32, 0, 0)
    assert weights.numpy().shape == (0,) and not weights
    assert trt.Weights(type=trt.int8).dtype == trt.int8 and as_weights(None).size == 0


def test_weights_keep_their_array_alive():
    array = np.arange(1000, dtype=np.float32)
    alive = weakref.ref(array)
    weights = trt.Weights(array)
    del array
    gc.collect()
    assert alive() is not None and weights.numpy()[999] == 999
    shown = weights.numpy()
    del weights
    gc.collect()
    assert shown[999] == 999
    del shown
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("view", [lambda a: a.T, lambda a: a[:, ::2], lambda a: a[::-1]])
def test_weights_of_a_view_hold_its_own_order(view):
    array = view(np.arange(12, dtype=np.float32).reshape(3, 4))
    assert np.array_equal(trt.Weights(array).numpy(), array.ravel())


def test_weights_of_an_address():
    array = np.array([1, 2, 3], np.int32)
    weights = trt.Weights(trt.int32, array.ctypes.data, 3)
    assert weights.nbytes == 12 and weights.numpy().tolist() == [1, 2, 3]
    array[0] = 9
    assert weights.numpy()[0] == 9
    assert trt.Weights(type=trt.int32, ptr=array.ctypes.data, count=2).size == 2
    for pointer, count in ((0, 3), (array.ctypes.data, -1)):
        with pytest.raises(ValueError, match=f"{count} values at address"):
            trt.Weights(trt.int32, pointer, count)


def test_weights_that_numpy_has_no_type_for():
    raw = np.array([0x3F80, 0x4000], np.uint16)  # 1.0 and 2.0 in bfloat16
    weights = trt.Weights(trt.bfloat16, raw.ctypes.data, 2)
    assert (weights.size, weights.nbytes) == (2, 4) and weights.numpy() is weights
    assert native_values(weights).tolist() == [1.0, 2.0] and native_values(weights).dtype == "f4"
    assert trt.Weights(trt.int4, raw.ctypes.data, 3).nbytes == 2
    with pytest.raises(trt.UnsupportedError, match="Weights of DataType.INT4"):
        native_values(trt.Weights(trt.int4, raw.ctypes.data, 3))


def test_values_that_octile_computes_with():
    half = native_values(trt.Weights(np.array([0.5, 65504], np.float16)))
    assert half.dtype == np.float32 and half.tolist() == [0.5, 65504]
    array = np.array([1, 2], np.int64)
    assert np.shares_memory(native_values(trt.Weights(array)), array)
    assert native_values(trt.Weights(trt.bfloat16)).shape == (0,)


@pytest.mark.parametrize("bad", [[1.0, 2.0], 3, "x", None])
def test_weights_take_arrays_alone(bad):
    with pytest.raises(TypeError, match="Weights takes a NumPy array"):
        trt.Weights(bad)
    if bad is not None:
        with pytest.raises(TypeError, match="kernel takes Weights or a NumPy array"):
            as_weights(bad, "kernel")


@pytest.mark.parametrize("dtype", ["float64", "int16", "complex64", "<U3", ">f4"])
def test_weights_of_types_that_tensorrt_lacks(dtype):
    with pytest.raises(TypeError, match="no data type for NumPy's"):
        trt.Weights(np.zeros(2, dtype))


# ---- IHostMemory


def test_host_memory_is_read_without_copying(tmp_path):
    memory = trt.IHostMemory(bytes(range(10)))
    assert (memory.nbytes, memory.size, len(memory), memory.dtype) == (10, 10, 10, trt.int8)
    assert (memory == None) is False and memory is not None and memory  # noqa: E711
    assert bytes(memory) == bytearray(memory) == bytes(range(10))
    with open(tmp_path / "plan", "wb") as file:
        assert file.write(memory) == 10
    assert (tmp_path / "plan").read_bytes() == bytes(range(10))
    array = np.frombuffer(memory, np.uint8)
    again = np.frombuffer(memoryview(memory), np.uint8)
    assert array.ctypes.data == again.ctypes.data and array.tolist() == list(range(10))
    del memory
    gc.collect()
    assert array[9] == 9
    assert "10 bytes" in repr(trt.IHostMemory(bytes(range(10))))


def test_host_memory_in_a_with_statement():
    with trt.IHostMemory(b"ab") as memory:
        assert bytes(memory) == b"ab"
