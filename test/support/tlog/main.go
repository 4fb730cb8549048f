// A peer for the tests of src/verify/witness: Go's own notes and trees, and a real witness.
//
// `peer tlog` reads one JSON request a line and answers each with one line. `peer witness LOGKEY...` is a witness for the logs
// of these keys on a free port of this machine: its first line is `URL VKEY`. `peer witness-mldsa LOGKEY...` cosigns by
// ML-DSA-44.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Op     string
	Key    string
	Text   string
	Leaves []string
	Index  int64
	Size   int64
	Old    int64
	Root   string
	Older  string
	Path   []string
}

func hashOf(text string) (h tlog.Hash, err error) {
	b, err := hex.DecodeString(text)
	if err == nil && len(b) != len(h) {
		err = errors.New("not a hash")
	}
	copy(h[:], b)
	return
}

func pathOf(path []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(path))
	for _, text := range path {
		h, err := hashOf(text)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

type stored []tlog.Hash

func (s *stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = (*s)[index]
	}
	return hashes, nil
}

func treeOf(leaves []string) (*stored, error) {
	tree := &stored{}
	for i, leaf := range leaves {
		data, err := hex.DecodeString(leaf)
		if err != nil {
			return nil, err
		}
		hashes, err := tlog.StoredHashes(int64(i), data, tree)
		if err != nil {
			return nil, err
		}
		*tree = append(*tree, hashes...)
	}
	return tree, nil
}

func hexes(hashes []tlog.Hash) []string {
	texts := make([]string, 0, len(hashes))
	for _, h := range hashes {
		texts = append(texts, hex.EncodeToString(h[:]))
	}
	return texts
}

// The tiles of a log that is served in the form of C2SP's tlog-tiles: without the height in the path.
type tiles struct{ prefix string }

func (t tiles) Height() int { return 8 }

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		response, err := http.Get(t.prefix + "/tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return nil, err
		}
		if response.StatusCode != 200 {
			return nil, fmt.Errorf("%s: %d", tile.Path(), response.StatusCode)
		}
		all = append(all, data)
	}
	return all, nil
}

func answer(r request) (any, error) {
	switch r.Op {
	case "generate":
		skey, vkey, err := note.GenerateKey(rand.Reader, r.Key)
		return []string{skey, vkey}, err
	case "sign":
		signer, err := note.NewSigner(r.Key)
		if err != nil {
			return nil, err
		}
		signed, err := note.Sign(&note.Note{Text: r.Text}, signer)
		return string(signed), err
	case "open":
		verifier, err := note.NewVerifier(r.Key)
		if err != nil {
			return nil, err
		}
		opened, err := note.Open([]byte(r.Text), note.VerifierList(verifier))
		if err != nil {
			return nil, err
		}
		return opened.Text, nil
	case "cosigned":
		verifier, err := f_note.NewVerifierForCosignatureV1(r.Key)
		if err != nil {
			return nil, err
		}
		opened, err := note.Open([]byte(r.Text), note.VerifierList(verifier))
		if err != nil {
			return nil, err
		}
		return opened.Text, nil
	case "root":
		tree, err := treeOf(r.Leaves)
		if err != nil {
			return nil, err
		}
		root, err := tlog.TreeHash(int64(len(r.Leaves)), tree)
		return hex.EncodeToString(root[:]), err
	case "proveRecord":
		tree, err := treeOf(r.Leaves)
		if err != nil {
			return nil, err
		}
		proof, err := tlog.ProveRecord(int64(len(r.Leaves)), r.Index, tree)
		return hexes(proof), err
	case "proveTree":
		tree, err := treeOf(r.Leaves)
		if err != nil {
			return nil, err
		}
		proof, err := tlog.ProveTree(int64(len(r.Leaves)), r.Old, tree)
		return hexes(proof), err
	case "follow":
		// Reads a log by its tiles: that it has grown from the older head, and that a record is at a place.
		root, err := hashOf(r.Root)
		if err != nil {
			return nil, err
		}
		reader := tlog.TileHashReader(tlog.Tree{N: r.Size, Hash: root}, tiles{r.Text})
		if r.Old > 0 {
			older, err := hashOf(r.Older)
			if err != nil {
				return nil, err
			}
			proof, err := tlog.ProveTree(r.Size, r.Old, reader)
			if err != nil {
				return nil, err
			}
			if err := tlog.CheckTree(proof, r.Size, root, r.Old, older); err != nil {
				return nil, err
			}
		}
		data, err := hex.DecodeString(r.Leaves[0])
		if err != nil {
			return nil, err
		}
		proof, err := tlog.ProveRecord(r.Size, r.Index, reader)
		if err != nil {
			return nil, err
		}
		return true, tlog.CheckRecord(proof, r.Size, root, r.Index, tlog.RecordHash(data))
	case "checkRecord":
		root, err := hashOf(r.Root)
		if err != nil {
			return nil, err
		}
		path, err := pathOf(r.Path)
		if err != nil {
			return nil, err
		}
		data, err := hex.DecodeString(r.Text)
		if err != nil {
			return nil, err
		}
		return true, tlog.CheckRecord(path, r.Size, root, r.Index, tlog.RecordHash(data))
	case "checkTree":
		root, err := hashOf(r.Root)
		if err != nil {
			return nil, err
		}
		older, err := hashOf(r.Older)
		if err != nil {
			return nil, err
		}
		path, err := pathOf(r.Path)
		if err != nil {
			return nil, err
		}
		return true, tlog.CheckTree(path, r.Size, root, r.Old, older)
	}
	return nil, errors.New("unknown")
}

func serveTlog() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			panic(err)
		}
		result, err := answer(r)
		if err != nil {
			out.Encode(map[string]string{"error": err.Error()})
			continue
		}
		out.Encode(map[string]any{"result": result})
	}
}

// A key that cosigns, by Ed25519 or ML-DSA-44, and its verifier.
func generateCosigner(isMLDSA bool) (skey, vkey string, err error) {
	if isMLDSA {
		return f_note.GenerateMLDSAKey("witness.test/w1")
	}
	if skey, vkey, err = note.GenerateKey(rand.Reader, "witness.test/w1"); err != nil {
		return
	}
	vkey, err = f_note.VKeyToCosignatureV1(vkey)
	return
}

func serveWitness(keys []string, isMLDSA bool) error {
	logs := map[string]note.Verifier{}
	for _, key := range keys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return err
		}
		logs[verifier.Name()] = verifier
	}
	skey, vkey, err := generateCosigner(isMLDSA)
	if err != nil {
		return err
	}
	signer, err := f_note.NewSignerForCosignatureV1(skey)
	if err != nil {
		return err
	}
	w, err := witness.New(context.Background(), witness.Opts{
		Persistence: inmemory.New(),
		Signers:     []note.Signer{signer},
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			verifier, ok := logs[origin]
			return verifier, ok, nil
		},
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s %s\n", listener.Addr(), vkey)
	http.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(w).AddCheckpoint)
	return http.Serve(listener, nil)
}

func main() {
	if len(os.Args) > 2 && strings.HasPrefix(os.Args[1], "witness") {
		if err := serveWitness(os.Args[2:], os.Args[1] == "witness-mldsa"); err != nil {
			panic(err)
		}
		return
	}
	serveTlog()
}
