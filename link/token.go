package link

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Tokens keeps the tokens across restarts.
type Tokens interface {
	Save(name string, v any) error
	Load(name string, v any) (bool, error)
}

// A token is good for one join. What is kept is a hash: who reads the store
// cannot join with it.
type token struct {
	Hash    string    `json:"hash"`
	Node    string    `json:"node,omitempty"` // empty: any
	Expires time.Time `json:"expires"`
}

// ticket is what a token's line says.
type ticket struct {
	Addr        string `json:"a"`
	Secret      string `json:"s"`
	Fingerprint string `json:"f"`
}

const tokenPrefix = "lwt1-"

func (t ticket) String() string {
	data, _ := json.Marshal(t) // three strings
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(data)
}

func parseToken(s string) (ticket, error) {
	var t ticket
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), tokenPrefix)
	if !ok {
		return t, fmt.Errorf("token: it does not begin with %q: copy the whole line that \"lastwatt token\" prints", tokenPrefix)
	}
	data, err := base64.RawURLEncoding.DecodeString(rest)
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil || t.Addr == "" || t.Secret == "" || len(t.Fingerprint) != 64 {
		return t, errors.New("token: it is damaged: copy the whole line that \"lastwatt token\" prints")
	}
	return t, nil
}

// nodeName is what a node may be called: what a host name may.
func nodeName(name string) error {
	if !regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`).MatchString(name) {
		return fmt.Errorf("node name %q: want letters, digits and hyphens, as in a host name", name)
	}
	return nil
}

// NewToken makes a line that one node can join with, until it expires by the
// wall clock. An empty node lets any join.
func (s *Server) NewToken(node string, expires time.Duration) (string, error) {
	if node != "" {
		if err := nodeName(node); err != nil {
			return "", err
		}
	}
	b := make([]byte, 24)
	rand.Read(b)
	secret := base64.RawURLEncoding.EncodeToString(b)
	s.tokensMu.Lock()
	defer s.tokensMu.Unlock()
	tokens := append(s.liveTokens(), token{Hash: hash(secret), Node: node, Expires: time.Now().Add(expires)})
	if err := s.c.Tokens.Save("tokens", tokens); err != nil {
		return "", fmt.Errorf("new token: %w", err)
	}
	return ticket{s.c.Advertise, secret, fingerprint(s.c.CA.cert.Raw)}.String(), nil
}

// redeem takes the token that has the secret away, if it is good for node.
func (s *Server) redeem(secret, node string) error {
	s.tokensMu.Lock()
	defer s.tokensMu.Unlock()
	tokens := s.liveTokens()
	for i, t := range tokens {
		if subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hash(secret))) != 1 {
			continue
		}
		if t.Node != "" && t.Node != node {
			return fmt.Errorf("the token is for node %q, not for %q", t.Node, node)
		}
		tokens = append(tokens[:i], tokens[i+1:]...)
		return s.c.Tokens.Save("tokens", tokens)
	}
	return errors.New("the token is used, expired or unknown: make a new one with \"lastwatt token\"")
}

func (s *Server) liveTokens() []token {
	var all, live []token
	if _, err := s.c.Tokens.Load("tokens", &all); err != nil {
		s.c.Log.Error("tokens cannot be read", "err", err)
	}
	for _, t := range all {
		if time.Now().Before(t.Expires) {
			live = append(live, t)
		}
	}
	return live
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte("lastwatt token " + secret))
	return hex.EncodeToString(sum[:])
}
