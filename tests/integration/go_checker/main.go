// Command checker verifies an exported ledger with Go's own sumdb/note and tlog, and none of our code.
//
//	checker DIRECTORY VKEY [EARLIER_CHECKPOINT]
//
// It prints how many entries it checked; exit 1 and the reason when anything does not fit.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	if len(os.Args) < 3 {
		fail("usage: checker DIRECTORY VKEY [EARLIER_CHECKPOINT]")
	}
	verifier, err := note.NewVerifier(os.Args[2])
	must(err)
	log := directory(os.Args[1])
	tree := head(log.read("checkpoint"), verifier)
	if tree.N == 0 {
		fmt.Println(0)
		return
	}
	hashes := tlog.TileHashReader(tree, log)
	leaves(log, tree, hashes)
	if len(os.Args) > 3 {
		earlier, err := os.ReadFile(os.Args[3])
		must(err)
		consistent(head(earlier, verifier), tree, hashes)
	}
	fmt.Println(tree.N)
}

// head opens a signed checkpoint: origin, size, root hash.
func head(raw []byte, verifier note.Verifier) tlog.Tree {
	signed, err := note.Open(raw, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("checkpoint: not one of this log")
	}
	var size int64
	if _, err := fmt.Sscanf(lines[1], "%d", &size); err != nil {
		fail("checkpoint: no size")
	}
	root, err := tlog.ParseHash(lines[2])
	must(err)
	return tlog.Tree{N: size, Hash: root}
}

// leaves checks every entry against the authenticated tiles, and the inclusion of the first, the last and some between.
func leaves(log directory, tree tlog.Tree, hashes tlog.HashReader) {
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		bundle := log.read(entriesPath(first>>height, int(width)))
		indexes := make([]int64, width)
		for at := range indexes {
			indexes[at] = tlog.StoredHashIndex(0, first+int64(at))
		}
		known, err := hashes.ReadHashes(indexes)
		must(err)
		for at, entry := range entries(bundle, int(width)) {
			if tlog.RecordHash(entry) != known[at] {
				fail(fmt.Sprintf("entry %d is not the one in the tree", first+int64(at)))
			}
		}
		included(first, tree, known[0], hashes)
		included(first+width-1, tree, known[width-1], hashes)
	}
}

func included(index int64, tree tlog.Tree, leaf tlog.Hash, hashes tlog.HashReader) {
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	must(err)
	must(tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf))
}

func consistent(old, tree tlog.Tree, hashes tlog.HashReader) {
	if old.N > tree.N {
		fail("the log is shorter than it was")
	}
	if old.N == 0 {
		return
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	must(err)
	must(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
}

func entries(bundle []byte, count int) [][]byte {
	var found [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			fail("a bundle ends inside an entry")
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		found, bundle = append(found, bundle[2:end]), bundle[end:]
	}
	if len(found) != count {
		fail(fmt.Sprintf("a bundle of %d entries in place of %d", len(found), count))
	}
	return found
}

func entriesPath(index int64, width int) string {
	return strings.Replace(path(tlog.Tile{H: height, L: 0, N: index, W: width}), "tile/0/", "tile/entries/", 1)
}

// path is the C2SP path: the checksum database's without its height.
func path(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
}

// directory is an exported copy; it serves tiles to tlog.
type directory string

func (log directory) read(name string) []byte {
	raw, err := os.ReadFile(filepath.Join(string(log), name))
	must(err)
	return raw
}

func (log directory) Height() int { return height }

func (log directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		raw, err := os.ReadFile(filepath.Join(string(log), path(tile)))
		if err != nil && tile.W < 1<<height { // a partial tile may have grown into a full one
			tile.W = 1 << height
			raw, err = os.ReadFile(filepath.Join(string(log), path(tile)))
		}
		if err != nil {
			return nil, err
		}
		found = append(found, raw)
	}
	return found, nil
}

func (log directory) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func must(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "checker:", why)
	os.Exit(1)
}
