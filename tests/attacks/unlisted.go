package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

// System calls that a deny list could miss, and resources that no process limit counts.

// Numbers that are the same on every 64-bit architecture.
const (
	sysQuotactlFd    = 443
	sysSetxattrat    = 463
	sysRemovexattrat = 466
	sysOpenTreeAttr  = 467
	sysFileSetattr   = 469
)

const (
	atFdcwd     = ^uintptr(99) // -100
	protoMptcp  = 262
	protoSctp   = 132
	msgFastOpen = 0x20000000
	fastOpen    = 30 // TCP_FASTOPEN_CONNECT
	protocol    = 31 // TCP_ULP
	keepSize    = 1
	growsDown   = 0x100
	unnamed     = 0x400000 | syscall.O_DIRECTORY
	megabyte    = 1 << 20
)

func init() {
	maps.Copy(attacks, unlisted)
}

var unlisted = map[string]func(args []string) (string, error){
	// Attributes of a file that is opened for reading.
	"xattr-at": func(a []string) (string, error) {
		value := struct {
			value       *byte
			size, flags uint32
		}{new(byte), 1, 0}
		return call6(sysSetxattrat, atFdcwd, text(a[0]), 0, text("user.b"), address1(&value), unsafe.Sizeof(value))
	},
	"remove-xattr-at": func(a []string) (string, error) {
		_, err := call6(sysRemovexattrat, atFdcwd, text(a[0]), 0, text("user.x"), 0, 0)
		// ENODATA: the call was allowed.
		if errors.Is(err, syscall.ENODATA) {
			err = nil
		}
		return "", err
	},
	"get-xattr": func(a []string) (string, error) {
		_, err := syscall.Getxattr(a[0], "user.x", make([]byte, 9))
		if errors.Is(err, syscall.ENODATA) {
			err = nil
		}
		return "", err
	},
	"file-attributes": func(a []string) (string, error) {
		attributes := [24]byte{}
		return call6(sysFileSetattr, atFdcwd, text(a[0]), address1(&attributes), unsafe.Sizeof(attributes), 0, 0)
	},
	"inode-flags": func(a []string) (string, error) {
		flags := int64(0)
		return withFile(a[0], func(fd int) error {
			return errors.Join(control2(fd, 0x80086601, &flags), control2(fd, 0x40086602, &flags))
		})
	},
	"inode-attributes": func(a []string) (string, error) {
		attributes := [28]byte{}
		return withFile(a[0], func(fd int) error {
			return errors.Join(control2(fd, 0x801c581f, &attributes), control2(fd, 0x401c5820, &attributes))
		})
	},
	"inode-version": func(a []string) (string, error) {
		version := int32(1)
		return withFile(a[0], func(fd int) error { return control2(fd, 0x40087602, &version) })
	},
	"tree-attributes": func(a []string) (string, error) {
		return call6(sysOpenTreeAttr, atFdcwd, text(a[0]), 0, 0, 0, 0)
	},
	"quota": func(a []string) (string, error) {
		return withFile(a[0], func(fd int) error {
			// Q_SYNC of user quotas. Errors for missing quotas mean that the call was allowed.
			_, err := call6(sysQuotactlFd, uintptr(fd), 0x800001<<8, 0, 0, 0, 0)
			if errors.Is(err, syscall.ESRCH) {
				err = nil
			}
			return err
		})
	},
	"read-link": func(a []string) (string, error) { return os.Readlink(a[0]) },
	"stat":      func(a []string) (string, error) { return "", errorOf(os.Stat(a[0])) },

	// The kernel.
	"asynchronous-io": func([]string) (string, error) {
		context := uintptr(0)
		return call(syscall.SYS_IO_SETUP, 1, address1(&context), 0, 0)
	},
	"kernel-messages": func([]string) (string, error) {
		// SYSLOG_ACTION_SIZE_BUFFER
		return call(syscall.SYS_SYSLOG, 10, 0, 0, 0)
	},

	// Memory that RLIMIT_DATA does not count.
	"memory-shared": func([]string) (string, error) {
		return mapped(syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON)
	},
	"memory-of-a-stack": func([]string) (string, error) {
		return mapped(syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|growsDown)
	},
	"memory-to-execute": func([]string) (string, error) {
		return mapped(syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	},
	"memory-protected": func([]string) (string, error) {
		memory, err := syscall.Mmap(-1, 0, megabyte, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			panic(err)
		}
		memory[0] = 1
		return "", syscall.Mprotect(memory, syscall.PROT_READ)
	},
	"ipc-make": func([]string) (string, error) {
		memory, err := call(syscall.SYS_SHMGET, 0, 4096, 0o600, 0)
		queue, err2 := call(syscall.SYS_MSGGET, 0, 0o600, 0, 0)
		semaphore, err3 := call(syscall.SYS_SEMGET, 0, 1, 0o600, 0)
		return fmt.Sprint(memory, " ", queue, " ", semaphore), errors.Join(err, err2, err3)
	},
	"ipc-remove": func(a []string) (string, error) {
		_, err := call(syscall.SYS_SHMCTL, number(a[0]), 0, 0, 0)
		_, err2 := call(syscall.SYS_MSGCTL, number(a[1]), 0, 0, 0)
		_, err3 := call(syscall.SYS_SEMCTL, number(a[2]), 0, 0, 0)
		return "", errors.Join(err, err2, err3)
	},
	"ipc-attach": func(a []string) (string, error) { return call(syscall.SYS_SHMAT, number(a[0]), 0, 0, 0) },
	"ipc-state": func(a []string) (string, error) {
		// IPC_STAT
		return call(syscall.SYS_SHMCTL, number(a[0]), 2, address1(new([256]byte)), 0)
	},
	"ipc-send": func(a []string) (string, error) {
		message := struct {
			kind int64
			text [8]byte
		}{kind: 1}
		return call(syscall.SYS_MSGSND, number(a[1]), address1(&message), 8, 0)
	},
	"ipc-count": func(a []string) (string, error) {
		operation := struct{ number, by, flags int16 }{by: 1}
		return call(syscall.SYS_SEMOP, number(a[2]), address1(&operation), 1, 0)
	},

	// Disk space that is not visible in the number and lengths of files.
	"space-beyond-the-end": func(a []string) (string, error) { return allocated(a[0], keepSize) },
	"space":                func(a []string) (string, error) { return allocated(a[0], 0) },
	"unlinked-file": func(a []string) (string, error) {
		return withFile(a[0], func(int) error { return syscall.Unlink(a[0]) })
	},
	"file-without-a-name": func(a []string) (string, error) { return "", openAndClose(a[0], os.O_RDWR|unnamed) },

	// Processes.
	"outlive-the-parent": func([]string) (string, error) { return call(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, 0, 0, 0) },
	"threads": func(a []string) (string, error) {
		many := int(number(a[0]))
		var all sync.WaitGroup
		all.Add(many)
		for range many {
			go func() {
				runtime.LockOSThread()
				all.Done()
				select {}
			}()
		}
		all.Wait()
		return "", nil
	},
	"exec-by-another-thread": func([]string) (string, error) {
		failed := make(chan error)
		// The main function runs on the first thread.
		go func() {
			runtime.LockOSThread()
			failed <- syscall.Exec("/proc/self/exe", []string{"attack"}, []string{"ATTACK=kill-itself"})
		}()
		return "", <-failed
	},
	"caught": func([]string) (string, error) {
		// SIG_IGN for SIGSYS, in case the seccomp filter sends a signal.
		action := [32]byte{1}
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGSYS), address1(&action), 0, 8, 0, 0)
		return call(syscall.SYS_GETPPID, 0, 0, 0, 0)
	},

	// Connections that Landlock does not cover: other protocols, and sending without connect(2).
	"multipath": func(a []string) (string, error) {
		return connectBy(syscall.SOCK_STREAM, protoMptcp, a[0])
	},
	"sctp": func(a []string) (string, error) { return connectBy(syscall.SOCK_STREAM, protoSctp, a[0]) },
	"seqpacket": func(a []string) (string, error) {
		return connectBy(syscall.SOCK_SEQPACKET, 0, a[0])
	},
	"ping": func(a []string) (string, error) {
		return connectBy(syscall.SOCK_DGRAM, syscall.IPPROTO_ICMP, a[0])
	},
	"tcp-by-number": func(a []string) (string, error) {
		return connectBy(syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.IPPROTO_TCP, a[0])
	},
	"fast-open": func(a []string) (string, error) {
		return withSocket(func(fd int) error { return syscall.Sendto(fd, []byte("x"), msgFastOpen, address(a[0])) })
	},
	"fast-open-message": func(a []string) (string, error) {
		return withSocket(func(fd int) error { return syscall.Sendmsg(fd, []byte("x"), nil, address(a[0]), msgFastOpen) })
	},
	"fast-open-connect": func([]string) (string, error) {
		return withSocket(func(fd int) error { return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, fastOpen, 1) })
	},
	"other-protocol": func([]string) (string, error) {
		return withSocket(func(fd int) error {
			err := syscall.SetsockoptString(fd, syscall.IPPROTO_TCP, protocol, "espintcp")
			// Errors for an unknown protocol or a missing connection mean that the call was allowed.
			if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.EINVAL) {
				err = nil
			}
			return err
		})
	},
	"no-delay": func([]string) (string, error) {
		return withSocket(func(fd int) error { return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) })
	},
}

func mapped(protection, flags int) (string, error) {
	_, err := syscall.Mmap(-1, 0, megabyte, protection, flags)
	return "", err
}

func allocated(path string, mode uint32) (string, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return "", syscall.Fallocate(int(file.Fd()), mode, 0, megabyte)
}

func connectBy(kind, protocol int, port string) (string, error) {
	fd, err := syscall.Socket(syscall.AF_INET, kind, protocol)
	if err == nil {
		err = syscall.Connect(fd, address(port))
	}
	if errors.Is(err, syscall.EINPROGRESS) || protocol == protoSctp && errors.Is(err, syscall.ECONNREFUSED) {
		err = nil
	}
	return "", err
}

func withSocket(use func(fd int) error) (string, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = use(fd)
	}
	return "", err
}

// ioctl(2)
func control2[T any](fd int, request uintptr, argument *T) error {
	_, err := call(syscall.SYS_IOCTL, uintptr(fd), request, address1(argument), 0)
	return err
}

func call6(number, a, b, c, d, e, f uintptr) (string, error) {
	got, _, errno := syscall.RawSyscall6(number, a, b, c, d, e, f)
	if errno != 0 {
		return "", errno
	}
	return strconv.Itoa(int(got)), nil
}

func address1[T any](value *T) uintptr { return uintptr(unsafe.Pointer(value)) }

func text(of string) uintptr {
	bytes, err := syscall.BytePtrFromString(of)
	if err != nil {
		panic(err)
	}
	return address1(bytes)
}

func number(of string) uintptr {
	number, err := strconv.Atoi(of)
	if err != nil {
		panic(err)
	}
	return uintptr(number)
}

func errorOf[T any](_ T, err error) error { return err }
