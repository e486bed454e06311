#!/bin/sh
# The OpenAI door and the Connect protocol with nothing but curl. Start a router first: npm start
set -eu
base="${SEMAROUTE_URL:-http://127.0.0.1:8080}"
key="${SEMAROUTE_KEY:-unused}" # without configured keys any will do

say() { printf '\n\n# %s\n' "$1"; }

say "A whole answer; the headers tell who gave it, in how many attempts, at what cost"
curl -sS --fail-with-body -D /dev/stderr "$base/v1/chat/completions" \
  -H "authorization: Bearer $key" -H "content-type: application/json" \
  -d '{"model": "auto", "messages": [{"role": "user", "content": "Hello, router"}]}'

say "The same, token by token"
curl -sSN --fail-with-body "$base/v1/chat/completions" \
  -H "authorization: Bearer $key" -H "content-type: application/json" \
  -d '{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "Hello, router"}]}'

say "Two texts as vectors"
curl -sS --fail-with-body "$base/v1/embeddings" \
  -H "authorization: Bearer $key" -H "content-type: application/json" \
  -d '{"model": "auto", "input": ["Hello, router", "Hello, world"], "dimensions": 8}'

say "The gRPC service as JSON, by the Connect protocol"
curl -sS --fail-with-body "$base/semaroute.v1.RouterService/Chat" \
  -H "authorization: Bearer $key" -H "content-type: application/json" \
  -d '{"model": "auto", "messages": [{"role": "ROLE_USER", "text": "Hello, router"}]}'

say "What may be asked for, and how everybody feels"
curl -sS --fail-with-body "$base/v1/models" -H "authorization: Bearer $key"
curl -sS --fail-with-body "$base/health"
echo
