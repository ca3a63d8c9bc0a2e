# tests/consistency/conftest.py — makes the helpers of tools/gen-docs importable: the tests compare with what it would write.
import importlib.machinery
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def gen_docs():
    loader = importlib.machinery.SourceFileLoader("gen_docs", str(ROOT / "tools/gen-docs"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gen_docs", loader))
    loader.exec_module(module)
    return module
