"""The recipes that accuracy.py tries: a name and the flags of `octile build --int8` that make it."""
METHODS = ("entropy", "minmax", "percentile", "mse")
SCHEMES = ("static-symmetric", "static-affine")
IMPROVEMENTS = ("equalize", "mse-weights", "fallback", "bias-correction")
ALL = ",".join(IMPROVEMENTS)


def flags(method, scheme, improvements=""):
    made = ["--method", method, "--scheme", scheme]
    return made + (["--recipe", improvements] if improvements else [])


RECIPES = [(f"{method} {scheme}", flags(method, scheme)) for scheme in SCHEMES for method in METHODS]
RECIPES += [(f"{method} {scheme} + all", flags(method, scheme, ALL))
            for scheme in SCHEMES for method in METHODS]
RECIPES += [(f"mse static-affine + {one}", flags("mse", "static-affine", one)) for one in IMPROVEMENTS]
RECIPES += [("dynamic-symmetric", ["--scheme", "dynamic-symmetric"]),
            ("dynamic-affine", ["--scheme", "dynamic-affine"])]
