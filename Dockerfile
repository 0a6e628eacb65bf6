FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY sdk/go/go.mod sdk/go/go.sum sdk/go/
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /b2b ./cmd/b2b
RUN mkdir -p /own/data /own/tmp && chmod 0700 /own/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /b2b /b2b
# The server is nobody in particular, and owns its data folder and the one in which SQLite
# sorts what is large.
COPY --from=build --chown=65532:65532 /own/ /
USER 65532:65532
ENV B2B_DATA_DIR=/data
VOLUME /data
EXPOSE 4800
ENTRYPOINT ["/b2b"]
CMD ["serve"]
