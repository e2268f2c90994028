"""Calls back when torch has been imported, by whomever: the watcher itself never imports it first."""

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType


class TorchImport(MetaPathFinder):
    """Waits for `import torch`; the module that others get is the one that they would have got."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def start(self) -> None:
        """Wait, or call at once where torch is there."""
        if "torch" in sys.modules:
            self._call()
        else:
            sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Find torch as it would have been found, and have it call back once it is loaded."""
        if fullname != "torch":
            return None
        self.stop()
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        loader: Loader = spec.loader
        original = loader.exec_module

        def execute(module: ModuleType) -> None:
            del loader.exec_module
            original(module)
            self._call()

        loader.exec_module = execute  # type: ignore[method-assign]
        return spec
