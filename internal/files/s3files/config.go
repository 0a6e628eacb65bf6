package s3files

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// Config is the bucket and the credentials.
type Config struct {
	// URL is s3://bucket[/prefix]?endpoint=https://host[:port]&region=name&path_style=true.
	// Without endpoint it is Amazon's, of the region. With one, the region is us-east-1
	// unless said. Buckets of other endpoints are found by path unless path_style=false.
	URL             string
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // empty: none
	// Spool is the folder in which uploads wait until they are whole.
	Spool string
}

// place is a parsed URL.
type place struct {
	bucket, prefix   string // a prefix ends in a slash
	endpoint, region string // host[:port]
	secure           bool
	lookup           minio.BucketLookupType
}

// Check returns what is wrong with a configuration, without its secrets.
func (c Config) Check() error {
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return errors.New("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	_, err := parse(c.URL)
	return err
}

func parse(text string) (place, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.Fragment != "" {
		return place{}, errors.New("must be s3://bucket/prefix?endpoint=https://host&region=name&path_style=true, of which all but the bucket may be missing")
	}
	if u.User != nil {
		return place{}, errors.New("credentials have no place in it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	p := place{bucket: u.Host, endpoint: "s3.amazonaws.com", secure: true}
	if err := s3utils.CheckValidBucketNameStrict(p.bucket); err != nil {
		return place{}, fmt.Errorf("%q is not a valid name of a bucket: %w", p.bucket, err)
	}
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		p.prefix = prefix + "/"
	}
	if strings.Contains(p.prefix, "//") || strings.Contains("/"+p.prefix, "/./") || strings.Contains("/"+p.prefix, "/../") {
		return place{}, fmt.Errorf("the prefix %q has empty names, . or .. in it", p.prefix)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return place{}, errors.New("the query after ? is not valid")
	}
	for name, values := range query {
		if err := p.set(name, values[len(values)-1]); err != nil {
			return place{}, err
		}
	}
	if p.region == "" {
		if !query.Has("endpoint") {
			return place{}, errors.New("no region: add ?region=name, or ?endpoint=https://host for a store that is not Amazon's")
		}
		p.region = "us-east-1"
	}
	return p, nil
}

func (p *place) set(name, value string) error {
	switch name {
	case "endpoint":
		e, err := url.Parse(value)
		if err != nil || e.Scheme != "https" && e.Scheme != "http" || e.Host == "" || strings.Trim(e.Path, "/") != "" || e.RawQuery != "" || e.User != nil {
			return errors.New("endpoint: must be https://host[:port], or http:// on a network that nobody else reads")
		}
		p.endpoint, p.secure = e.Host, e.Scheme == "https"
	case "region":
		p.region = value
	case "path_style":
		by, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New("path_style: must be true or false")
		}
		if p.lookup = minio.BucketLookupDNS; by {
			p.lookup = minio.BucketLookupPath
		}
	default:
		return fmt.Errorf("%q is unknown: use endpoint, region or path_style", name)
	}
	return nil
}

func (c Config) credentials() *credentials.Credentials {
	return credentials.NewStaticV4(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
}
