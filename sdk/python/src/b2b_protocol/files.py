"""Upload and download of files over Connect. It needs the extra `connect` of the package."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from connectrpc.errors import ConnectError

from ._http import authorization, base_of
from .gen.b2b.v1.error_pb import ErrorDetail
from .gen.b2b.v1.file_connect import FileServiceClientSync
from .gen.b2b.v1.file_pb import File, GetFileInfoRequest, GetFileRequest, UploadFileRequest

_PIECE = 64 << 10
"""The number of bytes of a file in one message."""


class Files:
    """Uploads and downloads files of a bot's org. It is safe to use from several threads.

    Errors of the server are `connectrpc.errors.ConnectError`; `detail_of` returns their code.
    """

    def __init__(self, url: str, token: str) -> None:
        """url is the base URL of the server, token the primary or a scoped token of a bot."""
        self._client = FileServiceClientSync(base_of(url))
        self._headers = {"authorization": authorization(token)}

    def upload(self, data: bytes | BinaryIO, name: str, mime_type: str = "text/plain", request_id: str | None = None) -> File:
        """Stores bytes, or a binary file from its current position, under a name.

        Parts and artifacts refer to the file by its url. With a request_id, it is safe to
        send the same upload again for 24 hours. If reading data fails, the server stores
        nothing.
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
            response = self._client.upload_file(pieces(), headers=self._headers)
        except ConnectError:
            if failed:
                raise failed[0] from None
            raise
        return _present(response.file)

    def download(self, file: str, into: BinaryIO) -> File:
        """Writes a file, given by its id or url, to into and returns its metadata.

        If it raises an exception, into may have a part of the file.
        """
        about, got = None, 0
        for message in self._client.get_file(GetFileRequest(id=_id(file)), headers=self._headers):
            about = about or message.file
            into.write(message.data)
            got += len(message.data)
        if about is None or got != about.size:
            raise EOFError(f"received {got} bytes of a file of {about.size if about else 'unknown size'}")
        return about

    def info(self, file: str) -> File:
        """Returns the metadata of a file, given by its id or url."""
        return _present(self._client.get_file_info(GetFileInfoRequest(id=_id(file)), headers=self._headers).file)


def detail_of(err: ConnectError) -> ErrorDetail | None:
    """Returns the detail that the server sent with an error: the code, a hint, when to retry.

    Returns None for an error that does not come from a server of this protocol.
    """
    for detail in err.details:
        value = detail.value(ErrorDetail)
        if value is not None:
            return value
    return None


def _present(file: File | None) -> File:
    if file is None:
        raise EOFError("the response has no metadata of the file")
    return file


def _id(file: str) -> str:
    return file.rsplit("/", 1)[-1]
