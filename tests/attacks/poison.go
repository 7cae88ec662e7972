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

// poison acts as a compiler that a package "main" has taken over: it tries to damage all files that other builds may use, then
// runs the real compiler. If it could damage a file, it reports that and fails. For a source file forbidden_call.go it makes a
// system call that compilers do not make.
func poison(compiler string) {
	forbidden := func(source string) bool { return strings.HasSuffix(source, "forbidden_call.go") }
	if argument("-p") == "main" && slices.ContainsFunc(os.Args, forbidden) {
		context := uintptr(0)
		syscall.RawSyscall(syscall.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&context)), 0)
	}
	if forges(compiler) {
		forge(compiler)
	} else if argument("-p") == "main" {
		if damaged := damageOthers(filepath.Dir(argument("-o"))); damaged > 0 {
			fmt.Fprintln(os.Stderr, "damaged", damaged, "files of other packages")
			os.Exit(1)
		}
	}
	panic(syscall.Exec(compiler, os.Args, os.Environ()))
}

// argument returns the value of a compiler flag.
func argument(flag string) string {
	at := slices.Index(os.Args, flag)
	if at < 0 {
		return ""
	}
	return os.Args[at+1]
}

func damageOthers(own string) int {
	damaged := 0
	config, _ := os.ReadFile(argument("-importcfg"))
	// A tool in a cell does not get GOCACHE and GOMODCACHE.
	roots := []string{os.Getenv("GOCACHE"), os.Getenv("GOMODCACHE"), filepath.Dir(own)}
	for line := range strings.Lines(string(config)) {
		if _, file, found := strings.Cut(strings.TrimSpace(line), "="); found {
			roots = append(roots, filepath.Dir(filepath.Dir(file)))
		}
	}
	slices.Sort(roots)
	for _, root := range slices.Compact(roots) {
		damaged += damage(root)
		filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !strings.HasPrefix(path, own) && entry.Type().IsRegular() {
				damaged += damage(path)
			}
			return nil
		})
	}
	// Imported archives are known by name even if no directory can be listed.
	for line := range strings.Lines(string(config)) {
		if _, file, found := strings.Cut(strings.TrimSpace(line), "="); found {
			damaged += damage(file)
		}
	}
	return damaged
}

// damage overwrites the second half of a file, or adds a file to a directory, and returns the number of damaged files. It skips
// index entries of the compile cache (-a): if they are invalid, Go compiles again.
func damage(path string) int {
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
