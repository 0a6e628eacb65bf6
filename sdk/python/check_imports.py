"""Imports every module of the package, to check that the generated code loads."""

import importlib
import pkgutil
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent / "src"))

import b2b_protocol

count = 0
for module in pkgutil.walk_packages(b2b_protocol.__path__, "b2b_protocol."):
    importlib.import_module(module.name)
    count += 1
if count == 0:
    sys.exit("b2b_protocol has no modules: run make generate")
print(f"python: {count} modules import")
