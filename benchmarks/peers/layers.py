"""The C++ layer benchmark (octile_bench_layers), where it was built: the ISA's register peak, layers' shares."""


def peak(machine):
    return None


def shares(machine, say):
    return []
