// Creates what the benchmarks serve. `modules DIR`: the file tree of a module proxy with two modules, which build programs of 6.6 and 105
// MB. `artifacts DIR COUNT`: empty programs with the metadata of a stored one.
package main

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const program = `package main

import _ "embed"

//go:embed lines.txt
var lines string

func main() { println(len(lines)) }
`

func main() {
	switch dir := os.Args[2]; os.Args[1] {
	case "modules":
		module(dir, "medium", 84000)
		module(dir, "large", 1700000)
	case "artifacts":
		count, err := strconv.Atoi(os.Args[3])
		check(err)
		artifacts(dir, count)
	}
}

func module(proxy, name string, lines int) {
	path := "example.com/" + name
	folder := filepath.Join(proxy, path, "@v")
	mod := "module " + path + "\n\ngo 1.21\n"
	text := strings.Repeat("A line of a length that divides nothing that is a power of 2\n", lines)
	check(os.MkdirAll(folder, 0o755))
	write := func(name, text string) { check(os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644)) }
	write("list", "v1.0.0\n")
	write("v1.0.0.info", `{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}`)
	write("v1.0.0.mod", mod)
	archive, err := os.Create(filepath.Join(folder, "v1.0.0.zip"))
	check(err)
	out := zip.NewWriter(archive)
	for name, text := range map[string]string{"go.mod": mod, "main.go": program, "lines.txt": text} {
		file, err := out.Create(path + "@v1.0.0/" + name)
		check(err)
		_, err = file.Write([]byte(text))
		check(err)
	}
	check(out.Close())
	check(archive.Close())
}

func artifacts(dir string, count int) {
	stored, err := filepath.Glob(filepath.Join(dir, "*/*/meta.json"))
	check(err)
	meta, err := os.ReadFile(stored[0])
	check(err)
	for number := range count {
		key := fmt.Sprintf("%x", sha256.Sum256([]byte(strconv.Itoa(number))))
		folder := filepath.Join(dir, key[:2], key)
		check(os.MkdirAll(folder, 0o755))
		check(os.WriteFile(filepath.Join(folder, "meta.json"), meta, 0o644))
		check(os.WriteFile(filepath.Join(folder, "bin"), nil, 0o644))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
