"""Makes a context when imported, as pycuda.autoinit does: `context` and `device`."""

from octile.pycuda import driver

driver.init()
device = driver.Device(0)
context = device.make_context()
