"""Counterparts of cuda-python's modules: `octile.cuda.cudart`, `octile.cuda.bindings` …"""
