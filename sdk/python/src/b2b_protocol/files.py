"""Upload and download of files."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from connectrpc.errors import ConnectError

from .gen.b2b.v1.error_pb import ErrorDetail
from .gen.b2b.v1.file_connect import FileServiceClientSync
from .gen.b2b.v1.file_pb import File, GetFileInfoRequest, GetFileRequest, UploadFileRequest

_PIECE = 64 << 10
"""How many bytes of a file one message carries."""


class Files:
    """The files of a bot's org. May be used by many threads.

    Refusals are `connectrpc.errors.ConnectError`; `detail_of` has their stable code.
    """

    def __init__(self, url: str, token: str) -> None:
        """url is the base of the server, token a bot's primary or scoped one."""
        self._client = FileServiceClientSync(url.rstrip("/"))
        self._headers = {"authorization": f"Bearer {token}"}

    def upload(self, data: bytes | BinaryIO, name: str, mime_type: str = "text/plain", request_id: str | None = None) -> File:
        """Stores bytes, or what a binary file has from where it stands, under a name.

        The url of the file names it in parts and artifacts. With a request_id, the same
        upload can be sent again safely for 24 hours. When reading data fails, nothing
        is stored.
        """
        source = io.BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else data
        failed: list[BaseException] = []

        def pieces() -> Iterator[UploadFileRequest]:
            about = UploadFileRequest(name=name, mime_type=mime_type)
            if request_id is not None:
                about.request_id = request_id
            yield about
            try:
                while piece := source.read(_PIECE):
                    yield UploadFileRequest(data=bytes(piece))
            except BaseException as err:
                failed.append(err)
                raise

        try:
            answer = self._client.upload_file(pieces(), headers=self._headers)
        except ConnectError:
            if failed:
                raise failed[0] from None
            raise
        return answer.file

    def download(self, file: str, into: BinaryIO) -> File:
        """Writes the bytes of a file, which is named by its id or url, and answers what is known of it.

        Without an exception, into has all of them.
        """
        about, got = None, 0
        for message in self._client.get_file(GetFileRequest(id=_id(file)), headers=self._headers):
            about = about or message.file
            into.write(message.data)
            got += len(message.data)
        if about is None or got != about.size:
            raise EOFError(f"{got} bytes of a file came, it has {about.size if about else 'more'}")
        return about

    def info(self, file: str) -> File:
        """What is known of a file, which is named by its id or url."""
        return self._client.get_file_info(GetFileInfoRequest(id=_id(file)), headers=self._headers).file


def detail_of(err: ConnectError) -> ErrorDetail | None:
    """What the server told about an error: its code, a hint, when to try again.

    None for errors that no server of this protocol sent.
    """
    for detail in err.details:
        told = detail.value(ErrorDetail)
        if told is not None:
            return told
    return None


def _id(file: str) -> str:
    return file.rsplit("/", 1)[-1]
