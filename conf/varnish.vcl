# Varnish as a cache in front of the bundled HTTP server (PORT=3000 gox-server). This file is complete and can be /etc/varnish/default.vcl. The
# tests use it with another port.
#
# gox-server must trust Varnish's X-Forwarded-For. Add this line to gox-server.env:
#
#     GOX_TRUSTED_PROXIES=127.0.0.1

vcl 4.1;

backend gox_server {
    .host = "127.0.0.1";
    .port = "3000";
    # A build takes up to GOX_BUILD_SECONDS, after its time in the queue.
    .first_byte_timeout = 30m;
    .between_bytes_timeout = 2m;
}

sub vcl_recv {
    # Varnish sends requests with other methods on as they are, and gox-server refuses them.
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    # Varnish evaluates If-None-Match, If-Modified-Since and ranges itself, but not these.
    if (req.http.If-Match || req.http.If-Unmodified-Since || req.http.Want-Repr-Digest) {
        return (pass);
    }
    # A stream of events has no end that Varnish could wait for.
    if (req.url ~ "\.events(\?|$)") {
        return (pass);
    }
    return (hash);
}
