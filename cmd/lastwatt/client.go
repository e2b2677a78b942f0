package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"lastwatt/rack"
)

const defaultSocket = "/run/lastwatt/control.sock"

// socketFlag adds --socket.
func socketFlag(f *flag.FlagSet) *string {
	path := os.Getenv("LASTWATT_SOCKET")
	if path == "" {
		path = defaultSocket
	}
	return f.String("socket", path, "the controller's control socket")
}

// A refusal is the daemon's own no.
type refusal struct{ error }

// errNoDaemon is that nobody serves the socket.
var errNoDaemon = errors.New("no controller runs here")

// call asks the controller over its socket and decodes the answer.
func call(ctx context.Context, socket, method, path string, body, into any) error {
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(data)
	}
	resp, err := dial(ctx, socket, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read the controller's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error string }
		if json.Unmarshal(data, &e) != nil || e.Error == "" {
			e.Error = resp.Status
		}
		return refusal{errors.New(e.Error)}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(data, into)
}

func dial(ctx context.Context, socket, method, path string, in io.Reader) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://lastwatt"+path, in)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: permission denied: run it as root, or join the group lastwatt (usermod -aG lastwatt USER)", socket)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w (%s): systemctl status lastwatt-controller", errNoDaemon, socket)
	}
	return resp, err
}

// explain turns an error of call into an exit status.
func explain(e env, err error) int {
	var no refusal
	switch {
	case errors.As(err, &no):
		return fail(e, exitRefused, err)
	case errors.Is(err, errNoDaemon):
		return fail(e, exitAbsent, err)
	}
	return fail(e, exitFailed, err)
}

// snapshotOf asks for the newest snapshot.
func snapshotOf(ctx context.Context, socket string) (rack.Snapshot, error) {
	var s rack.Snapshot
	err := call(ctx, socket, http.MethodGet, "/v1/snapshot", nil, &s)
	return s, err
}

// printJSON prints v for programs.
func printJSON(e env, v any) int {
	out := json.NewEncoder(e.out)
	out.SetIndent("", "  ")
	if err := out.Encode(v); err != nil {
		return fail(e, exitFailed, err)
	}
	return exitOK
}
