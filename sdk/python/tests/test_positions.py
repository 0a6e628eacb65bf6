"""Stores of positions (B2B-SDK-011)."""

import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from b2b_protocol.positions import FilePositionStore, MemoryPositionStore


class StoreTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "positions.json"

    def test_positions_are_kept_under_their_keys(self) -> None:
        for store in (MemoryPositionStore(), FilePositionStore(self.path)):
            self.assertIsNone(store.load("a"))
            store.save("a", "1")
            store.save("b", "2")
            store.save("a", "3")
            self.assertEqual((store.load("a"), store.load("b")), ("3", "2"))
        self.assertEqual(FilePositionStore(self.path).load("a"), "3")
        self.assertEqual([file.name for file in self.folder.iterdir()], [self.path.name])

    def test_a_save_that_fails_changes_nothing_and_leaves_no_file(self) -> None:
        store = FilePositionStore(self.path)
        store.save("a", "1")
        with mock.patch("os.replace", side_effect=OSError("no room")), self.assertRaises(OSError):
            store.save("a", "2")
        self.assertEqual(store.load("a"), "1")
        self.assertEqual([file.name for file in self.folder.iterdir()], [self.path.name])

    def test_a_file_that_is_no_store_is_an_error(self) -> None:
        for content in ("", "[]", '{"a": 1}', "{"):
            self.path.write_text(content, encoding="utf-8")
            with self.assertRaisesRegex(ValueError, "is not a JSON object of strings: repair or remove it"):
                FilePositionStore(self.path).load("a")

    def test_listeners_of_one_process_share_a_file(self) -> None:
        store = FilePositionStore(self.path)
        threads = [threading.Thread(target=store.save, args=(str(key), "1")) for key in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([store.load(str(key)) for key in range(20)], 20 * ["1"])


if __name__ == "__main__":
    unittest.main()
