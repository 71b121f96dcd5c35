package hubspot

import (
	"net/http"
	"net/url"

	"millrace/internal/twin/wire"
)

// oauthPrefix begins every access token that the token endpoint hands out.
const oauthPrefix = "at-twin-"

// oauth is the token endpoint of apps. Any client id and secret are taken; the refresh token must be the app's.
func (a *API) oauth(r *http.Request, path []string) (reply, error) {
	if r.Method != http.MethodPost || len(path) != 3 || path[2] != "token" {
		return reply{}, missing("resource not found")
	}
	body, err := wire.Body(r)
	if err != nil {
		return reply{}, invalid("the body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("grant_type") != "refresh_token" {
		return reply{}, invalid("missing or unknown grant_type")
	}
	if form.Get("refresh_token") != "rt-twin-hubspot" {
		f := refuse(http.StatusBadRequest, "", "missing or unknown refresh token")
		f.Status = "BAD_REFRESH_TOKEN"
		return reply{}, f
	}
	return reply{http.StatusOK, map[string]any{
		"access_token": oauthPrefix + correlation(a.calls.Load())[:8], "refresh_token": "rt-twin-hubspot", "expires_in": 1800,
		"token_type": "bearer", "token_use": "access_token", "hub_id": 4815162, "user_id": 771, "scopes": []string{"crm.objects.contacts.read", "crm.objects.contacts.write"},
	}}, nil
}
