package alert

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/format"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// attemptTimeout bounds one attempt.
const attemptTimeout = 10 * time.Second

// newService is how to deliver a message to a URL. It checks the URL as far as
// that goes without the network.
func newService(raw string) (func(ctx context.Context, title, body string) error, error) {
	hide := newScrubber(raw)
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return nil, errors.New("its url is none: write SERVICE://..., as the documentation of shoutrrr says")
	}
	// Matrix logs in when it is made, so its URL shows its faults later.
	if u.Scheme != "matrix" {
		if _, err := new(router.ServiceRouter).Locate(raw); err != nil {
			return nil, fmt.Errorf("its url is not right: %w", hide.error(err))
		}
	}
	return func(ctx context.Context, title, body string) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		// Some services take no context. One that hangs is left behind
		// with all that it uses, and the next attempt makes its own.
		done := make(chan error, 1)
		go func() { done <- deliver(ctx, u, title, body) }()
		select {
		case err := <-done:
			return hide.error(err)
		case <-ctx.Done():
			return fmt.Errorf("no answer in time: %w", ctx.Err())
		}
	}, nil
}

func deliver(ctx context.Context, u *url.URL, title, body string) error {
	r, err := router.NewWithOptions(nil, types.SenderOptions{HTTPClient: clientFor(ctx, u)})
	if err != nil {
		return err
	}
	service, err := r.Locate(u.String())
	if err != nil {
		return err
	}
	if !hasTitle(service, u) {
		return service.Send(title+"\n"+body, &types.Params{})
	}
	return service.Send(body, &types.Params{types.TitleKey: title})
}

// hasTitle is whether a service shows a title; one that does not may drop it
// without a word.
func hasTitle(service types.Service, u *url.URL) bool {
	if strings.HasPrefix(u.Scheme, "generic") && !u.Query().Has("template") {
		return false // it posts the bare message
	}
	_, err := format.GetConfigQueryResolver(format.GetServiceConfig(service)).Get(types.TitleKey)
	return err == nil
}

// clientFor is an HTTP client whose requests end with ctx, which the library
// gives to hardly any service; the webhook's own would wait for ever. It is nil
// where the URL asks for a server that is not to be verified, because the
// service's own client knows of that.
func clientFor(ctx context.Context, u *url.URL) types.HTTPClient {
	for key := range u.Query() {
		if strings.Contains(strings.ToLower(key), "verif") {
			return nil
		}
	}
	return client{ctx}
}

// A client ends its requests with a context.
type client struct{ ctx context.Context }

// Do is http.Client's. The body must be read before the context ends.
func (c client) Do(r *http.Request) (*http.Response, error) {
	return http.DefaultClient.Do(r.WithContext(c.ctx))
}
