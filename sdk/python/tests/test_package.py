"""The packages for pip: what they contain, and that they install into an empty environment."""

import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import unittest
import venv
import zipfile
from pathlib import Path

SDK = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    if ran.returncode != 0:
        raise AssertionError(f"{command} failed:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def build(source: Path, out: Path) -> tuple[Path, Path]:
    """Writes both packages, and returns the paths of the sdist and of the wheel."""
    run(sys.executable, "-m", "hatchling", "build", "-d", out, cwd=source)
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


class PackageTest(unittest.TestCase):
    def test_packages(self) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            sdist, wheel = build(SDK, folder / "first")

            with self.subTest("the wheel has the modules, their types, texts and the licence"):
                with zipfile.ZipFile(wheel) as archive:
                    names = set(archive.namelist())
                    [license_name] = [name for name in names if name.endswith("/licenses/LICENSE")]
                    self.assertEqual(archive.read(license_name), (SDK.parents[1] / "LICENSE").read_bytes())
                sources = SDK / "src"
                modules = {str(path.relative_to(sources)) for path in sources.rglob("*.*") if path.suffix != ".pyc"}
                self.assertIn("b2b_protocol/py.typed", modules)
                self.assertEqual(modules, {name for name in names if ".dist-info/" not in name})

            with self.subTest("the sdist has the licence and builds the same wheel"):
                with tarfile.open(sdist) as archive:
                    archive.extractall(folder, filter="data")
                unpacked = folder / sdist.name.removesuffix(".tar.gz")
                self.assertEqual((unpacked / "LICENSE").read_bytes(), (SDK.parents[1] / "LICENSE").read_bytes())
                _, again = build(unpacked, folder / "second")
                self.assertEqual(again.read_bytes(), wheel.read_bytes())

            with self.subTest("the wheel installs into an empty environment"):
                venv.create(folder / "venv", with_pip=False)
                python = folder / "venv/bin/python"
                run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", wheel)
                program = "import b2b_protocol, sys; print(b2b_protocol.__file__)"
                with self.assertRaisesRegex(AssertionError, "No module named 'httpx'"):
                    run(python, "-I", "-c", program)
                # The dependencies are those of this environment, so that the test needs no registry.
                given = "import sys; sys.path.append(sys.argv[1]); "
                location = run(python, "-I", "-c", given + program, sysconfig.get_path("purelib"))
                self.assertTrue(Path(location.strip()).is_relative_to(folder / "venv"), location)


if __name__ == "__main__":
    unittest.main()
