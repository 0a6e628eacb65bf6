"""Tests against the server at B2B_URL, with the bot token B2B_TOKEN."""

import io
import os
import re
import subprocess
import sys
import tempfile
import unittest
import uuid
from pathlib import Path

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from b2b_protocol.files import Files, detail_of
from b2b_protocol.gen.b2b.v1.error_pb import ErrorCode

URL, TOKEN = os.environ["B2B_URL"], os.environ["B2B_TOKEN"]


class FilesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.files = Files(URL + "/", TOKEN)

    def assert_code(self, code: ErrorCode, call, *args, **named) -> None:
        with self.assertRaises(ConnectError) as caught:
            call(*args, **named)
        detail = detail_of(caught.exception)
        self.assertIsNotNone(detail, caught.exception)
        self.assertEqual(detail.code, code)

    def test_download_returns_the_uploaded_bytes(self) -> None:
        for size in (0, 1, 65_536, 3_000_001):
            data = (b"bytes: " + os.urandom(size))[:size]
            file = self.files.upload(data, 'naïve 表 "quoted".csv', "text/csv")
            self.assertEqual((file.name, file.mime_type, file.size), ('naïve 表 "quoted".csv', "text/csv", size))
            for named in (file.id, file.url):
                into = io.BytesIO()
                self.assertEqual(self.files.download(named, into), file)
                self.assertEqual(into.getvalue(), data)
                self.assertEqual(self.files.info(named), file)

    def test_no_error_has_a_secret(self) -> None:
        for url, token in ((URL, "sesame\nx"), (URL, "sesame é"), ("http://u:sesame@h", TOKEN), ("http://h?key=sesame", TOKEN), (URL, "")):
            with self.assertRaises(ValueError) as caught:
                Files(url, token).info("x")
            self.assertNotIn("sesame", repr(caught.exception))

    def test_upload_begins_at_the_position_of_the_file(self) -> None:
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
            source.write(b"head" + b"x" * 200_000)
            source.seek(4)
            file = self.files.upload(source, "x")
            self.assertEqual((file.mime_type, file.size), ("text/plain", 200_000))
            self.files.download(file.url, target)
            target.seek(0)
            self.assertEqual(target.read(), b"x" * 200_000)

    def test_errors_have_a_code(self) -> None:
        request = str(uuid.uuid4())
        first = self.files.upload(b"one", "a", request_id=request)
        self.assertEqual(self.files.upload(b"one", "a", request_id=request), first)
        self.assert_code(ErrorCode.IDEMPOTENCY_KEY_REUSED, self.files.upload, b"other", "a", request_id=request)
        self.assert_code(ErrorCode.UNSUPPORTED_MEDIA_TYPE, self.files.upload, b"<svg/>" + b"x" * 3_000_000, "a")
        self.assert_code(ErrorCode.NOT_FOUND, self.files.download, "/api/files/none", io.BytesIO())
        self.assert_code(ErrorCode.NOT_FOUND, self.files.info, "../../api/me")
        self.assert_code(ErrorCode.INVALID_TOKEN, Files(URL, "bot_" + "0" * 48).info, first.id)
        with self.assertRaises(ConnectError) as caught:
            Files("http://127.0.0.1:1", TOKEN).info(first.id)
        self.assertEqual(caught.exception.code, Code.UNAVAILABLE)
        self.assertIsNone(detail_of(caught.exception))

    def test_nothing_is_stored_when_the_source_fails(self) -> None:
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() > 100_000:
                    raise OSError("broken")
                return super().read(size)

        request = str(uuid.uuid4())
        with self.assertRaisesRegex(OSError, "broken"):
            self.files.upload(Broken(b"x" * 300_000), "a", request_id=request)
        self.assertEqual(self.files.upload(b"another", "a", request_id=request).size, 7)

    def test_the_example_of_the_documentation(self) -> None:
        page = (Path(__file__).parents[3] / "docs/use/files.md").read_text(encoding="utf-8")
        lines = [text for text in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "b2b_protocol.files" in text]
        self.assertEqual(len(lines), 1)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "report.csv").write_text("a,b\n1,2\n")
            subprocess.run([sys.executable, "-c", lines[0].replace("http://localhost:4800", URL)], cwd=folder, check=True)
            self.assertEqual(Path(folder, "copy.csv").read_text(), "a,b\n1,2\n")


if __name__ == "__main__":
    unittest.main()
