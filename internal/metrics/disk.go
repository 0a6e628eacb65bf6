package metrics

import "os"

// ReadDisk returns the numbers of the disk of a folder, and of the SQLite database in a file; "":
// there is none.
func ReadDisk(folder, database string) Disk {
	d := Disk{}
	d.Free, d.Size = space(folder)
	if database != "" {
		d.Database, d.WriteLog = size(database), size(database+"-wal")
	}
	return d
}

// size returns the size of a file; 0 if there is none.
func size(file string) uint64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return uint64(max(info.Size(), 0))
}
