package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	digest "github.com/opencontainers/go-digest"
)

// Prune deletes what [PlanPrune] says goes, each image before what is
// attached to it: a signature without its image is of no use to anyone, and an
// image without its signature is one that a tag must not name. done is told of
// each manifest that is gone. What is gone already is no failure, so that a
// prune which broke off can be run again. Nothing else may write to the
// repository meanwhile: a tag that is given to an image as it goes is lost. A
// registry that deletes nothing is an [*Error] that says what does.
func Prune(ctx context.Context, repository string, plan *PrunePlan, done func(Deletion), o Options) error {
	s, err := Open(ctx, repository, o)
	if err != nil {
		return err
	}
	defer s.Close()
	if len(plan.Deletions) == 0 {
		return nil
	}
	client, err := s.deleteClient(ctx)
	if err != nil {
		return err
	}
	for _, d := range plan.Deletions {
		if err := s.remove(ctx, client, d.Digest); err != nil {
			return err
		}
		done(d)
	}
	return nil
}

// deleteClient logs in with the right to delete too, which not every registry
// counts as one to write.
func (s *Session) deleteClient(ctx context.Context) (client *http.Client, err error) {
	err = s.attend(ctx, "logging in to", false, func(ctx context.Context, _ func()) error {
		c, err := transport.NewWithContext(ctx, s.repo.Registry, s.authenticator(), transport.NewUserAgent(s.base, userAgent),
			[]string{s.repo.Scope(transport.DeleteScope)})
		client = &http.Client{Transport: c}
		return err
	})
	return client, err
}

// remove deletes a manifest, and with it every tag that names it.
func (s *Session) remove(ctx context.Context, client *http.Client, d digest.Digest) error {
	op := "deleting " + shortName(d) + " from"
	err := s.Do(ctx, op, func(ctx context.Context) error {
		_, err := ask(ctx, client, http.MethodDelete, s.url("manifests/"+d.String()), nil, http.StatusAccepted, http.StatusOK, http.StatusNoContent)
		if err != nil && classify(err, false) == Missing {
			return nil
		}
		return err
	})
	var e *Error
	if errors.As(err, &e) {
		if seen := evidenceOf(e.Err); seen.status == http.StatusMethodNotAllowed || seen.code == "UNSUPPORTED" {
			refused := s.fail(Rejected, op, e.Err)
			refused.Hint = s.deleteHint()
			return refused
		}
		if e.Class == Denied {
			e.Hint = "the login needs the right to delete, which is often another one than that to push. " + e.Hint
		}
	}
	return err
}

// deleteHint says how images are deleted where the registry's own interface does
// not.
func (s *Session) deleteHint() string {
	const care = "; leave untagged versions alone there: those that an index names have no tag of their own"
	switch {
	case s.host == "ghcr.io":
		owner, name, _ := strings.Cut(strings.TrimPrefix(s.Repository, s.host+"/"), "/")
		return fmt.Sprintf("GitHub's registry deletes nothing through this interface: use the package's page, or "+
			"\"gh api --method DELETE /users/%s/packages/container/%s/versions/ID\" with a token of the right delete:packages%s",
			owner, strings.ReplaceAll(name, "/", "%2F"), care)
	case s.host == "docker.io":
		return "Docker Hub deletes nothing through this interface: use the repository's page on hub.docker.com"
	case strings.Contains(s.host, ".dkr.ecr."):
		return `ECR deletes by its own interface: "aws ecr batch-delete-image", or a lifecycle policy` + care
	case strings.HasSuffix(s.host, "-docker.pkg.dev"):
		return "Artifact Registry deletes by its own interface: set a cleanup policy"
	case s.host == "quay.io":
		return "Quay deletes by its own interface: the repository's page, or an expiration of the tags"
	}
	return "the registry is configured to delete nothing. Distribution (docker-registry) does with REGISTRY_STORAGE_DELETE_ENABLED=true, " +
		`and gives the space back with "registry garbage-collect"`
}
