#!/bin/sh
# A CGI program for the tests of the front. The path selects its behaviour. Some paths write the process ID to the FIFO $PIPE and
# keep the FIFO open until the process exits.
say() { printf "$@"; }
text='Content-Type: text/plain'
case $PATH_INFO in
/environment)   say "$text\n\n"; exec env ;;
/-/health)      say "$text\nContent-Length: 3\n\nok\n" ;;
/length)        say "Status: 201 Made\r\n$text\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n" ;;
/chunks)        say "$text\n\nhello\n" ;;
/nothing)       ;;
/killed)        kill -9 $$ ;;
/half-a-head)   say "$text\n" ;;
/bad-status)    say "Status: maybe\n\nhello\n" ;;
/too-short)     say "$text\nContent-Length: 60\n\nhello\n" ;;
/too-long)      say "$text\nContent-Length: 3\n\nhello\n" ;;
/never-ends)    say "$text\nContent-Length: 3\n\nhello\n"; exec cat /dev/zero ;;
/length-fails)  say "$text\nContent-Length: 6\n\nhello\n"; exit 3 ;;
/chunks-fail)   say "$text\n\nhello\n"; exit 3 ;;
/chunks-killed) say "$text\n\nhello\n"; kill -9 $$ ;;
/empty)         say "$text\nContent-Length: 0\n\n" ;;
/empty-fails)   say "$text\nContent-Length: 0\n\n"; exit 3 ;;
/not-modified)  say "Status: 304 Not Modified\nETag: \"x\"\n\n" ;;
/file)          say "X-Sendfile: $FILE\n\nthis is not the body" ;;
/large)         say "X-Sendfile: $LARGE\n\n" ;;
/file-length)   say "X-Sendfile: $FILE\nContent-Length: 1\n\n" ;;
/file-fails)    say "X-Sendfile: $FILE\n\n"; exit 3 ;;
# The query is the headers. Each run adds a byte to a file.
/stored)        echo >>"$FILE.runs"; echo "$QUERY_STRING" | tr '&' '\n'; say "X-Sendfile: $FILE\n\n" ;;
/unchanged)     echo >>"$FILE.runs"; echo "$QUERY_STRING" | tr '&' '\n'; say "Status: 304 Not Modified\nETag: \"x\"\n\n" ;;
/no-file)       say "X-Sendfile: /nonexistent\n\n" ;;
/directory)     say "X-Sendfile: /\n\n" ;;
/two-steps)     say "$text\n\none\n"; read -r go <"$PIPE"; echo two ;;
/waits)         exec 9>"$PIPE"; echo $$ >&9; exec sleep 30 ;;
/relays)        exec 9>"$PIPE"; echo $$ >&9; say "$text\n\none\n"; exec sleep 30 ;;
/endless)       exec 9>"$PIPE"; echo $$ >&9; say "$text\n\n"; exec cat /dev/zero ;;
esac
