FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /b2b ./cmd/b2b

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /b2b /b2b
ENV B2B_DATA_DIR=/data
VOLUME /data
EXPOSE 4800
ENTRYPOINT ["/b2b"]
CMD ["serve"]
