package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path/filepath"
)

// uploadClients is the number of concurrent uploads: the limit of the server for one bot.
const uploadClients = 16

// uploads measures uploads and downloads of several sizes, relative to the baseline: one copy from
// the form to a synced file, and the file server of net/http. All clients are one bot.
func uploads(ctx context.Context, o options, folder string, base *process, r *report) error {
	server, err := startServer(ctx, o, []string{"B2B_DATA_DIR=" + filepath.Join(folder, "uploads"), "B2B_FILE_UPLOAD_MB_PER_DAY=1000000000"})
	if err != nil {
		return err
	}
	defer server.stop()
	w, err := newFixture(ctx, server.url)
	if err != nil {
		return err
	}
	o.clients = min(o.clients, uploadClients)
	for _, c := range []struct {
		name     string
		size     int
		up, down float64 // targets, relative to the baseline
	}{{"10 KiB", 10 << 10, 0.4, 0.5}, {"1 MiB", 1 << 20, 0.6, 0.6}, {"16 MiB", 16 << 20, 0.6, 0.6}} {
		kind, body, err := uploadForm(c.size)
		if err != nil {
			return err
		}
		baseline := target{method: http.MethodPost, url: base.url + "/api/files/upload", token: "none", body: body, kind: kind}
		ours := target{method: http.MethodPost, url: w.url + "/api/files/upload", token: w.token, body: body, kind: kind}
		if err := compareBytes(ctx, o, r, "upload files of "+c.name, c.size, c.up, baseline, ours); err != nil {
			return err
		}
		down := make([]target, 2)
		for i, t := range []target{baseline, ours} {
			url, err := uploaded(ctx, t)
			if err != nil {
				return err
			}
			down[i] = target{method: http.MethodGet, url: t.url[:len(t.url)-len("/api/files/upload")] + url, token: t.token}
		}
		if err := compareBytes(ctx, o, r, "download files of "+c.name, c.size, c.down, down[0], down[1]); err != nil {
			return err
		}
	}
	rss, err := server.rss()
	if err != nil {
		return err
	}
	r.note("memory of the server after the uploads: %.0f MB RSS", rss)
	return nil
}

// compareBytes is like compare, with rates in bytes.
func compareBytes(ctx context.Context, o options, r *report, name string, size int, least float64, baseline, ours target) error {
	var ratios, baselines, rates, p99s []float64
	for range o.rounds {
		a, err := load(ctx, o.clients, o.time, baseline)
		if err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
		b, err := load(ctx, o.clients, o.time, ours)
		if err != nil {
			return fmt.Errorf("server: %w", err)
		}
		mb := float64(size) / 1e6
		baselines, rates = append(baselines, a.perSecond*mb), append(rates, b.perSecond*mb)
		ratios, p99s = append(ratios, b.perSecond/a.perSecond), append(p99s, ms(b.p99))
	}
	r.note("%s: baseline %.0f MB/s, server %.0f MB/s, p99 %.0f ms (medians of %d rounds, %d clients)", name, median(baselines), median(rates), median(p99s), o.rounds, o.clients)
	r.least(name+", relative to the baseline", median(ratios), least, "×")
	return nil
}

// uploadForm returns a form with one text file.
func uploadForm(size int) (kind string, body []byte, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="bench.txt"`}, "Content-Type": {"text/plain"},
	})
	if err != nil {
		return "", nil, err
	}
	if _, err := part.Write(bytes.Repeat([]byte("0123456789abcde\n"), size/16)); err != nil {
		return "", nil, err
	}
	err = w.Close()
	return w.FormDataContentType(), b.Bytes(), err
}

// uploaded uploads one file and returns its url.
func uploaded(ctx context.Context, t target) (string, error) {
	req, err := http.NewRequestWithContext(ctx, t.method, t.url, bytes.NewReader(t.body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+t.token)
	req.Header.Set("Content-Type", t.kind)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var file struct{ URL string }
	if err := json.Unmarshal(text, &file); err != nil || file.URL == "" {
		return "", fmt.Errorf("upload: %s: %s", res.Status, text)
	}
	return file.URL, nil
}
