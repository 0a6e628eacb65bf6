/** An error response of the server. */
export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    /** The HTTP status. */
    public readonly status: number,
    /** The JSON of the response; null if it is none. */
    public readonly body: any,
  ) {
    super(typeof body?.error === "string" && body.error ? body.error : `HTTP ${status}`);
  }
}

/** A download that was refused before or while it was read. */
export class DownloadError extends Error {
  override name = "DownloadError";
  constructor(
    /** FILE_ID_EMPTY, URL_EMPTY, URL_INVALID or FILE_TOO_LARGE. */
    public readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Returns the result of a response, or throws an ApiError. */
export async function resultOf(response: Response): Promise<any> {
  if (response.ok) {
    return response.status === 204 ? undefined : response.json();
  }
  throw new ApiError(response.status, await response.json().catch(() => null));
}
