package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unsafe"
)

// poison is what a compiler does that the package "main" has taken over: it spoils everything that another build may use,
// and goes on as if nothing had happened. For a source file of this name it makes a system call that no compiler makes. Only where it could spoil something it says so, and fails.
func poison(compiler string) {
	forbidden := func(source string) bool { return strings.HasSuffix(source, "forbidden_call.go") }
	if argument("-p") == "main" && slices.ContainsFunc(os.Args, forbidden) {
		context := uintptr(0)
		syscall.RawSyscall(syscall.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&context)), 0)
	}
	if forges(compiler) {
		forge(compiler)
	} else if argument("-p") == "main" {
		if spoilt := spoilOthers(filepath.Dir(argument("-o"))); spoilt > 0 {
			fmt.Fprintln(os.Stderr, "spoilt", spoilt, "files of others")
			os.Exit(1)
		}
	}
	panic(syscall.Exec(compiler, os.Args, os.Environ()))
}

// argument is what stands behind a flag of the compiler's.
func argument(flag string) string {
	at := slices.Index(os.Args, flag)
	if at < 0 {
		return ""
	}
	return os.Args[at+1]
}

func spoilOthers(own string) int {
	spoilt := 0
	config, _ := os.ReadFile(argument("-importcfg"))
	// A tool in a cell is not told where the caches are.
	roots := []string{os.Getenv("GOCACHE"), os.Getenv("GOMODCACHE"), filepath.Dir(own)}
	for line := range strings.Lines(string(config)) {
		if _, file, found := strings.Cut(strings.TrimSpace(line), "="); found {
			roots = append(roots, filepath.Dir(filepath.Dir(file)))
		}
	}
	slices.Sort(roots)
	for _, root := range slices.Compact(roots) {
		spoilt += spoil(root)
		filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !strings.HasPrefix(path, own) && entry.Type().IsRegular() {
				spoilt += spoil(path)
			}
			return nil
		})
	}
	// Where nothing can be listed, these it knows by name: what it imports, which others import too.
	for line := range strings.Lines(string(config)) {
		if _, file, found := strings.Cut(strings.TrimSpace(line), "="); found {
			spoilt += spoil(file)
		}
	}
	return spoilt
}

// spoil overwrites the second half of a file, or adds a file to a directory, and tells how many it could. Not the entries
// of Go's compile cache, -a: were they broken, Go would compile anew and be right.
func spoil(path string) int {
	if os.WriteFile(filepath.Join(path, "planted"), nil, 0o600) == nil {
		return 1
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil || strings.HasSuffix(path, "-a") {
		return 0
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	if _, err := file.WriteAt(make([]byte, info.Size()-info.Size()/2), info.Size()/2); err != nil {
		return 0
	}
	return 1
}
