package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unmapProgram removes the code and the constant data of this program from the memory of the
// process. Half of an idle node's memory is what only its start has used. The pages stay in the
// page cache of the system, and what is used again is mapped again without a read, 64 KB at a time.
// Nothing depends on it, so errors are ignored.
func unmapProgram() {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer maps.Close()
	for _, m := range cleanMappings(maps, path) {
		_ = unix.Madvise(m.bytes(), unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

func (m mapping) bytes() []byte {
	start := m.start
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&start)), m.end-m.start)
}

// cleanMappings returns the read-only mappings of a file, from the text of /proc/self/smaps. It
// leaves out those with pages that differ from the file, such as relocated addresses: these would be
// lost.
func cleanMappings(smaps io.Reader, path string) (clean []mapping) {
	var m mapping
	found := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Bytes()
		name, rest, _ := bytes.Cut(line, []byte(" "))
		if !bytes.HasSuffix(name, []byte(":")) {
			m, found = readOnly(string(line), path)
			continue
		}
		if found && string(name) == "Anonymous:" && string(bytes.TrimSpace(rest)) == "0 kB" {
			clean = append(clean, m)
		}
	}
	return clean
}

// readOnly parses the first line of a mapping, and reports whether it is a private, read-only one of
// the file.
func readOnly(line, path string) (m mapping, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 6 || fields[5] != path || fields[1] != "r-xp" && fields[1] != "r--p" {
		return m, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(from, 16, strconv.IntSize)
	if err != nil {
		return m, false
	}
	end, err := strconv.ParseUint(to, 16, strconv.IntSize)
	return mapping{uintptr(start), uintptr(end)}, err == nil && start < end
}
