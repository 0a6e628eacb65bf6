package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// guardian starts the server ($1 and on), and ends it when its input ends: that is
// when the process at the other end of the pipe is gone.
const guardian = `dir=$1; shift
"$@" >"$dir/log" 2>&1 &
pid=$!
cat >/dev/null
kill -QUIT $pid
wait $pid
rm -rf "$dir"`

// run makes a cluster in a temporary folder and starts a server on it.
func run(base string, settings []string) (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	who, err := owner()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(base, "b2b-pgtest-")
	if err != nil {
		return "", err
	}
	address, err := launch(dir, bin, who, settings)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return address, nil
}

// disk is where temporary files go.
func disk() string {
	if base := os.TempDir(); len(base) < 60 {
		return base
	}
	return "/tmp" // the path of a socket must be short
}

// memory is a folder in memory with room for a few gigabytes, else disk.
func memory() string {
	const shm, room = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(shm, &fs); err != nil || int64(fs.Bavail)*int64(fs.Bsize) < room {
		return disk()
	}
	probe, err := os.MkdirTemp(shm, "b2b-pgtest-")
	if err != nil || os.Remove(probe) != nil {
		return disk()
	}
	return shm
}

func launch(dir, bin string, who *syscall.Credential, settings []string) (string, error) {
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return "", err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
		"--locale=C.UTF-8", "--no-sync", "--no-instructions")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}

	args := []string{"-c", guardian, "sh", dir, filepath.Join(bin, "postgres"), "-D", data}
	for _, s := range append([]string{
		"listen_addresses=", "unix_socket_directories=" + dir, "max_connections=200", "shared_buffers=64MB", "max_wal_size=4GB",
	}, settings...) {
		args = append(args, "-c", s)
	}
	input, hold, err := os.Pipe()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("sh", args...)
	cmd.Dir = dir
	cmd.Stdin = input
	// Away from the terminal: an interrupt is for the tests, and their end ends this.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	if err := errors.Join(cmd.Start(), input.Close()); err != nil {
		return "", errors.Join(err, hold.Close())
	}
	held = append(held, hold)
	address := (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: url.Values{"host": {dir}}.Encode()}).String()
	if err := ready(address); err != nil {
		log, readErr := os.ReadFile(filepath.Join(dir, "log"))
		return "", errors.Join(fmt.Errorf("start PostgreSQL: %w\n%s", err, log), readErr, hold.Close())
	}
	return address, nil
}

// held keeps the pipes open until the process ends: a file that is collected is closed.
var held []*os.File

// ready waits until the server answers.
func ready(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		c, err := pgconn.Connect(ctx, address)
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// binaries finds the folder of PostgreSQL's programs.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			if dir := filepath.Dir(path); exists(filepath.Join(dir, "postgres")) {
				return dir, nil
			}
		}
	}
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	dirs = slices.DeleteFunc(dirs, func(d string) bool { return !exists(filepath.Join(d, "postgres")) })
	if len(dirs) == 0 {
		return "", errors.New("initdb and postgres are not installed (Debian: apt-get install postgresql)")
	}
	return slices.MaxFunc(dirs, func(a, b string) int { return version(a) - version(b) }), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// version reads 15 out of /usr/lib/postgresql/15/bin.
func version(dir string) int {
	v, err := strconv.Atoi(strings.SplitN(filepath.Base(filepath.Dir(dir)), ".", 2)[0])
	if err != nil {
		return 0
	}
	return v
}

// owner returns the user that runs the server when we are root, which PostgreSQL refuses.
func owner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
