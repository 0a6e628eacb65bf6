package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/uuid"
)

// baselineFiles stores files in a folder. It syncs each file, renames it and syncs the folder, so
// that after a power failure a file is complete or absent. It checks and records nothing.
type baselineFiles struct{ folder string }

func (f baselineFiles) upload(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	if err := f.store(r, id); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	respond(w, map[string]any{"id": id, "url": "/api/files/" + id})
}

func (f baselineFiles) store(r *http.Request, id string) error {
	form, err := r.MultipartReader()
	if err != nil {
		return err
	}
	part, err := form.NextPart()
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(f.folder, "upload-")
	if err != nil {
		return err
	}
	_, err = io.Copy(file, part)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), filepath.Join(f.folder, id)); err != nil {
		return err
	}
	dir, err := os.Open(f.folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f baselineFiles) download(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	http.ServeFile(w, r, filepath.Join(f.folder, filepath.Base(r.PathValue("id"))))
}
