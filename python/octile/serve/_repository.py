"""The models of a folder, and KServe's repository over them.

    MODEL_DIR/name/version/model.plan      or model.onnx; versions are whole numbers
    MODEL_DIR/name/octile.json             how this model is served (optional)
    MODEL_DIR/name.plan                    or name.onnx: a model of one version, 1
    MODEL_DIR/version/model.plan           the folder itself is one model (KServe's storageUri)

A request that names no version gets the newest that is loaded. Inside the server a version is
addressed as 'name:version'.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from pathlib import Path

from kserve import ModelRepository
from kserve.errors import ModelNotFound

from ._model import OctileModel
from ._options import Options, with_config

SUFFIXES = (".plan", ".onnx")
_logger = logging.getLogger("octile")


def find_models(folder: Path, only_name: str | None = None) -> dict[str, dict[str, Path]]:
    """name → version → file, newest version last. `only_name` renames a folder's only model."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of models")
    if own := _versions(folder):
        return {only_name or folder.resolve().name: own}
    models = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if versions := _versions(path):
                models[path.name] = versions
        elif path.suffix in SUFFIXES and path.stem not in models:
            models[path.stem] = {"1": path}
    for name in models:
        if ":" in name:
            raise ValueError(f"{folder}: the model name '{name}' may not hold ':'")
    if only_name and len(models) == 1:
        return {only_name: next(iter(models.values()))}
    return models


def _versions(folder: Path) -> dict[str, Path]:
    numbers = [
        p for p in folder.iterdir() if p.is_dir() and p.name.isdecimal() and p.name.isascii()
    ]
    found = {}
    for path in sorted(numbers, key=lambda p: int(p.name)):
        for suffix in SUFFIXES:
            if (path / f"model{suffix}").is_file():
                found.setdefault(path.name, path / f"model{suffix}")
    return found


def qualified(name: str, version: str | None) -> str:
    """How a version is addressed inside the server."""
    return f"{name}:{version}" if version else name


class OctileRepository(ModelRepository):
    """Loads and unloads the models of a folder. Changes from an event loop, one load at a time.

    model_class: what is made of each, an OctileModel with a preprocess() of its own for example.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        options: Options | None = None,
        only_name: str | None = None,
        model_class: type[OctileModel] = OctileModel,
    ) -> None:
        super().__init__(str(folder))
        self._folder, self._options = Path(folder), options or Options()
        self._only_name, self._model_class = only_name, model_class
        self._loaded: dict[str, dict[str, OctileModel]] = {}
        self._loading = asyncio.Lock()
        self.loads_under_way = 0

    def load_models(self) -> None:
        """Loads every model of the folder; the first that cannot be loaded ends it."""
        names = find_models(self._folder, self._only_name)
        if not names:
            raise FileNotFoundError(
                f"{self._folder}: no model in it; write it as name/1/model.plan or name.plan"
            )
        for name in names:
            self.load_model(name)

    async def load(self, name: str) -> bool:
        """Loads the model's versions as they lie in the folder now, then lets the old ones go."""
        async with self._loading:
            self._replace(name, await self._load_aside(name))
        return True

    def load_model(self, name: str) -> bool:
        self._replace(name, self._load(name))
        return True

    def unload(self, name: str) -> None:
        """The model is gone at once; requests that it has accepted are still answered."""
        if name not in self._loaded:
            raise KeyError(f"model with name {name} does not exist")
        self._replace(name, {})

    def get_model(self, name: str) -> OctileModel | None:
        name, _, version = name.partition(":")
        versions = self._loaded.get(name, {})
        if version:
            return versions.get(version)
        return self.models.get(name)

    def versions(self, name: str) -> list[str]:
        return list(self._loaded.get(name, {}))

    def all_models(self) -> list[OctileModel]:
        return [m for versions in self._loaded.values() for m in versions.values()]

    async def _load_aside(self, name: str) -> dict[str, OctileModel]:
        """_load() in a thread that the process's end does not wait for, unlike an executor's."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def tell(loaded: dict[str, OctileModel], error: Exception | None) -> None:
            if done.cancelled():
                for model in loaded.values():
                    model.stop()
            elif error:
                done.set_exception(error)
            else:
                done.set_result(loaded)

        def work() -> None:
            loaded, error = {}, None
            try:
                loaded = self._load(name)
            except Exception as raised:
                error = raised
            self.loads_under_way -= 1
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
                loop.call_soon_threadsafe(tell, loaded, error)

        self.loads_under_way += 1
        threading.Thread(target=work, daemon=True, name=f"load {name}").start()
        return await done

    def _load(self, name: str) -> dict[str, OctileModel]:
        files = find_models(self._folder, self._only_name).get(name)
        if not files:
            raise ModelNotFound(name)
        options = with_config(self._options, _folder_of(files))
        loaded: dict[str, OctileModel] = {}
        try:
            for version in _chosen(files, options.versions):
                loaded[version] = model = self._made(name, version, files[version], options)
                _logger.info("loaded %s", model.describe())
        except BaseException:
            for model in loaded.values():
                model.stop()
            raise
        return loaded

    def _made(self, name: str, version: str, path: Path, options: Options) -> OctileModel:
        try:
            return self._model_class(name, path, options, version=version)
        except Exception as error:
            reason = f"{name} version {version} ({path}): {error}"
            raise RuntimeError(reason) from error

    def _replace(self, name: str, loaded: dict[str, OctileModel]) -> None:
        old = self._loaded.pop(name, {})
        self.models.pop(name, None)
        if loaded:
            self._loaded[name] = loaded
            self.models[name] = list(loaded.values())[-1]
        for model in old.values():
            model.stop()


def _folder_of(files: dict[str, Path]) -> Path:
    """Where a model's octile.json lies: over its versions, or beside its only file."""
    first = next(iter(files.values()))
    return (
        first.parent.parent
        if first.stem == "model" and first.parent.name in files
        else first.parent
    )


def _chosen(files: dict[str, Path], versions: str | list) -> list[str]:
    if versions == "all":
        return list(files)
    if versions == "latest":
        return list(files)[-1:]
    wanted = [str(version) for version in versions]
    if missing := [version for version in wanted if version not in files]:
        raise ValueError(f"{next(iter(files.values())).parent.parent}: no version {missing[0]}")
    return [version for version in files if version in wanted]
