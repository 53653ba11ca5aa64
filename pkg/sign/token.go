package sign

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
)

// audience is who the tokens are for: Fulcio takes no others.
const audience = "sigstore"

// Token returns a function that gets OIDC tokens, for [KeylessOptions]: the one
// in SIGSTORE_ID_TOKEN, or those that GitHub Actions gives to a job with
// "id-token: write". lookup reads an environment variable. Without either, the
// function's error is a [*KeylessError].
func Token(lookup func(name string) (string, bool)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if token, ok := lookup("SIGSTORE_ID_TOKEN"); ok && token != "" {
			return token, nil
		}
		address, _ := lookup("ACTIONS_ID_TOKEN_REQUEST_URL")
		secret, _ := lookup("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
		if address == "" || secret == "" {
			return "", &KeylessError{
				Class: NoIdentity, Op: "looking for an identity", Err: errors.New("there is no OIDC token"),
				Hint: "in GitHub Actions, give the job the permission id-token: write (a pull request from a fork never gets it); " +
					"elsewhere, set SIGSTORE_ID_TOKEN",
			}
		}
		token, err := requestToken(ctx, address, secret)
		if err != nil {
			return "", &KeylessError{
				Class: classOf(err), Op: "asking GitHub for an OIDC token", Err: err, Hint: "run the job again: its right to ask may have ended",
			}
		}
		return token, nil
	}
}

// requestToken asks as
// https://docs.github.com/en/actions/reference/security/oidc says. cosign's own
// way takes an answer of any status for a token.
func requestToken(ctx context.Context, address, secret string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no address")
	}
	query := u.Query()
	query.Set("audience", audience)
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "bearer "+secret)
	answer, err := serviceClient(0).Do(request)
	if err != nil {
		// Not with the address, which is the runner's own.
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			err = outer.Err
		}
		return "", err
	}
	defer answer.Body.Close()
	var got struct {
		Value string `json:"value"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&got); err != nil || got.Value == "" {
		return "", errors.New("its answer holds no token")
	}
	return got.Value, nil
}
