// Writes the file tree of a module proxy with one module, example.com/large, that builds a program of 100 MB.
package main

import (
	"archive/zip"
	"log"
	"os"
	"path/filepath"
	"strings"
)

const program = `package main

import _ "embed"

//go:embed lines.txt
var lines string

func main() { println(len(lines)) }
`

func main() {
	folder := filepath.Join(os.Args[1], "example.com/large/@v")
	mod := "module example.com/large\n\ngo 1.21\n"
	lines := strings.Repeat("A line of a length that divides nothing that is a power of 2\n", 1700000)
	check(os.MkdirAll(folder, 0o755))
	write := func(name, text string) { check(os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644)) }
	write("list", "v1.0.0\n")
	write("v1.0.0.info", `{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}`)
	write("v1.0.0.mod", mod)
	archive, err := os.Create(filepath.Join(folder, "v1.0.0.zip"))
	check(err)
	out := zip.NewWriter(archive)
	for name, text := range map[string]string{"go.mod": mod, "main.go": program, "lines.txt": lines} {
		file, err := out.Create("example.com/large@v1.0.0/" + name)
		check(err)
		_, err = file.Write([]byte(text))
		check(err)
	}
	check(out.Close())
	check(archive.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
