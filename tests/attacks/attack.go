// The attacks of a hostile compiler, one for each run. The flag -attack or the variable ATTACK contains name and arguments; a tool
// does not get the environment of the suite.
//
// It prints "through" and what it read, or "denied" and the error. Static and multi-threaded, like Go's tools. It does not depend
// on a cell: the control runs the same program.
package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// System calls that package syscall does not define, with the same number on every 64-bit architecture.
const (
	sysIoUringSetup = 425
	sysPidfdOpen    = 434
	sysPidfdSignal  = 424
)

// Commands of fcntl(2) that package syscall does not define.
const (
	setSignal            = 10
	setOwnerByKind       = 15
	setLockOfDescription = 37
)

// ptrace(PTRACE_TRACEME) applies to the calling thread, which must be the first.
func init() { runtime.LockOSThread() }

func main() {
	// It runs in place of the compiler.
	if compiler := os.Args[0] + "-real"; exists(compiler) {
		poison(compiler)
	}
	words := strings.Fields(cmp.Or(argument("-attack"), os.Getenv("ATTACK")))
	attack, known := attacks[words[0]]
	if !known {
		panic("no such attack: " + words[0])
	}
	got, err := attack(words[1:])
	if err != nil {
		fmt.Println("denied", err)
		return
	}
	fmt.Println("through", got)
}

var attacks = map[string]func(args []string) (string, error){
	"read":   func(a []string) (string, error) { text, err := os.ReadFile(a[0]); return string(text), err },
	"list":   func(a []string) (string, error) { entries, err := os.ReadDir(a[0]); return fmt.Sprint(entries), err },
	"append": func(a []string) (string, error) { return "", openAndClose(a[0], os.O_WRONLY|os.O_APPEND) },
	"create": func(a []string) (string, error) { return "", openAndClose(a[0], os.O_WRONLY|os.O_CREATE) },
	"mkdir":  func(a []string) (string, error) { return "", os.Mkdir(a[0], 0o700) },
	"remove": func(a []string) (string, error) { return "", os.Remove(a[0]) },
	"rename": func(a []string) (string, error) { return "", os.Rename(a[0], a[1]) },
	"chmod":  func(a []string) (string, error) { return "", os.Chmod(a[0], 0) },
	"chown":  func(a []string) (string, error) { return "", os.Lchown(a[0], os.Getuid(), os.Getgid()) },
	"age": func(a []string) (string, error) {
		return "", syscall.UtimesNano(a[0], []syscall.Timespec{{Sec: 1}, {Sec: 1}})
	},
	"truncate": func(a []string) (string, error) { return "", syscall.Truncate(a[0], 0) },
	// Without opening for writing: with O_RDONLY, and with the access mode 3, which open(2) reserves for ioctl.
	"truncate-by-reading": func(a []string) (string, error) { return "", openAndClose(a[0], os.O_RDONLY|os.O_TRUNC) },
	"truncate-by-mode-3":  func(a []string) (string, error) { return "", openAndClose(a[0], 3|os.O_TRUNC) },
	"xattr":               func(a []string) (string, error) { return "", syscall.Setxattr(a[0], "user.x", []byte("x"), 0) },
	"hard-link":           func(a []string) (string, error) { return "", os.Link(a[0], a[1]) },
	"symlink":             func(a []string) (string, error) { return "", os.Symlink(a[0], a[1]) },
	"fifo":                func(a []string) (string, error) { return "", syscall.Mkfifo(a[0], 0o600) },
	"device":              func(a []string) (string, error) { return "", syscall.Mknod(a[0], syscall.S_IFCHR|0o600, 1<<8|5) },
	"watch": func(a []string) (string, error) {
		fd, err := syscall.InotifyInit1(0)
		if err == nil {
			_, err = syscall.InotifyAddWatch(fd, a[0], syscall.IN_ALL_EVENTS)
		}
		return "", err
	},

	// Locks on a file that is opened for reading, which delay other processes.
	"lock": func(a []string) (string, error) {
		return withFile(a[0], func(fd int) error { return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) })
	},
	"lock-record": func(a []string) (string, error) {
		return withFile(a[0], func(fd int) error {
			return syscall.FcntlFlock(uintptr(fd), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_RDLCK})
		})
	},
	"lock-description": func(a []string) (string, error) {
		return withFile(a[0], func(fd int) error {
			return syscall.FcntlFlock(uintptr(fd), setLockOfDescription, &syscall.Flock_t{Type: syscall.F_RDLCK})
		})
	},
	"lease": func(a []string) (string, error) {
		return withFile(a[0], func(fd int) error { return control(fd, syscall.F_SETLEASE, syscall.F_RDLCK) })
	},
	"notify": func(a []string) (string, error) {
		// DN_CREATE
		return withFile(a[0], func(fd int) error { return control(fd, syscall.F_NOTIFY, 4) })
	},
	// Signals to another process when a pipe becomes readable.
	"owner": func([]string) (string, error) {
		return "", ownsPipe(func(fd int) error { return control(fd, syscall.F_SETOWN, uintptr(os.Getppid())) })
	},
	"owner-by-kind": func([]string) (string, error) {
		// F_OWNER_PID
		owner := struct{ kind, pid int32 }{1, int32(os.Getppid())}
		return "", ownsPipe(func(fd int) error { return control(fd, setOwnerByKind, uintptr(unsafe.Pointer(&owner))) })
	},
	"signal-of-pipe": func([]string) (string, error) {
		return "", ownsPipe(func(fd int) error { return control(fd, setSignal, uintptr(syscall.SIGKILL)) })
	},

	"own-environment": func([]string) (string, error) { return strings.Join(os.Environ(), " "), nil },
	"parents-environment": func([]string) (string, error) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", os.Getppid()))
		return string(text), err
	},
	"parents-memory": func([]string) (string, error) {
		return "", openAndClose(fmt.Sprintf("/proc/%d/mem", os.Getppid()), os.O_RDONLY)
	},
	"parents-limits": func([]string) (string, error) {
		return call(syscall.SYS_PRLIMIT64, uintptr(os.Getppid()), syscall.RLIMIT_CORE, 0, 0)
	},
	"parents-priority": func([]string) (string, error) {
		return "", syscall.Setpriority(syscall.PRIO_PROCESS, os.Getppid(), 19)
	},
	"kill":     func([]string) (string, error) { return "", syscall.Kill(os.Getppid(), syscall.SIGURG) },
	"kill-all": func([]string) (string, error) { return "", syscall.Kill(0, syscall.SIGURG) },
	"tkill": func([]string) (string, error) {
		return call(syscall.SYS_TKILL, uintptr(os.Getppid()), uintptr(syscall.SIGURG), 0, 0)
	},
	"pidfd-kill": func([]string) (string, error) {
		fd, _, errno := syscall.RawSyscall(sysPidfdOpen, uintptr(os.Getppid()), 0, 0)
		if errno != 0 {
			return "", errno
		}
		return call(sysPidfdSignal, fd, uintptr(syscall.SIGURG), 0, 0)
	},
	"kill-itself": func([]string) (string, error) { return "", syscall.Kill(os.Getpid(), syscall.SIGURG) },
	"setsid":      func([]string) (string, error) { return call(syscall.SYS_SETSID, 0, 0, 0, 0) },
	"setpgid":     func([]string) (string, error) { return "", syscall.Setpgid(0, 0) },
	"trace":       func([]string) (string, error) { return call(syscall.SYS_PTRACE, syscall.PTRACE_TRACEME, 0, 0, 0) },
	"read-memory": func([]string) (string, error) {
		return call(sysProcessVMReadv, uintptr(os.Getpid()), 0, 0, 0)
	},
	"fork": func([]string) (string, error) {
		child, err := os.StartProcess("/proc/self/exe", []string{"attack"}, &os.ProcAttr{Env: []string{"ATTACK=descriptors"}})
		if err == nil {
			_, err = child.Wait()
		}
		return "", err
	},
	"exec": func(a []string) (string, error) { return "", syscall.Exec(a[0], a, nil) },

	"tcp": func(a []string) (string, error) { return connect(syscall.AF_INET, syscall.SOCK_STREAM, address(a[0])) },
	"udp": func(a []string) (string, error) { return connect(syscall.AF_INET, syscall.SOCK_DGRAM, address(a[0])) },
	"unix": func(a []string) (string, error) {
		// A name that starts with @ is an abstract socket address.
		return connect(syscall.AF_UNIX, syscall.SOCK_STREAM, &syscall.SockaddrUnix{Name: a[0]})
	},
	"netlink": func([]string) (string, error) {
		_, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_ROUTE)
		return "", err
	},
	"socketpair": func([]string) (string, error) {
		_, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		return "", err
	},
	"socketpair-of-another-family": func([]string) (string, error) {
		_, err := syscall.Socketpair(syscall.AF_TIPC, syscall.SOCK_STREAM, 0)
		return "", err
	},

	"unshare": func([]string) (string, error) { return "", syscall.Unshare(syscall.CLONE_FILES) },
	"namespace": func([]string) (string, error) {
		child, err := os.StartProcess("/proc/self/exe", []string{"attack"}, &os.ProcAttr{
			Env: []string{"ATTACK=descriptors"},
			Sys: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER},
		})
		if err == nil {
			_, err = child.Wait()
		}
		return "", err
	},
	"mount": func(a []string) (string, error) {
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			return "", err
		}
		return "", syscall.Mount("none", a[0], "tmpfs", 0, "")
	},
	"chroot": func(a []string) (string, error) { return "", syscall.Chroot(a[0]) },
	"io-uring": func([]string) (string, error) {
		var params [120]byte
		return call(sysIoUringSetup, 1, uintptr(unsafe.Pointer(&params)), 0, 0)
	},
	"shared-memory": func([]string) (string, error) {
		id, err := call(syscall.SYS_SHMGET, 0, 4096, 0o600, 0)
		if err == nil {
			number, _ := strconv.Atoi(id)
			// IPC_RMID: the segment would outlive the test.
			syscall.RawSyscall(syscall.SYS_SHMCTL, uintptr(number), 0, 0)
		}
		return "", err
	},
	"memory-file": func([]string) (string, error) {
		return call(sysMemfdCreate, uintptr(unsafe.Pointer(new([8]byte))), 0, 0, 0)
	},

	"descriptors": func([]string) (string, error) {
		var open []string
		for fd := range 100 {
			if _, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); errno == 0 {
				open = append(open, strconv.Itoa(fd))
			}
		}
		return strings.Join(open, " "), nil
	},
	"capabilities": func([]string) (string, error) {
		const version3 = 0x20080522
		header := struct{ version, pid uint32 }{version: version3}
		var sets [2]struct{ effective, permitted, inheritable uint32 }
		if _, err := call(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets)), 0, 0); err != nil {
			return "", err
		}
		bounding := 0
		for capability := range 64 {
			held, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_CAPBSET_READ, uintptr(capability), 0)
			if errno == 0 {
				bounding += int(held)
			}
		}
		return fmt.Sprint(sets, bounding), nil
	},
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func openAndClose(path string, flags int) error {
	fd, err := syscall.Open(path, flags, 0o600)
	if err == nil {
		err = syscall.Close(fd)
	}
	return err
}

func withFile(path string, use func(fd int) error) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return "", use(int(file.Fd()))
}

func ownsPipe(use func(fd int) error) error {
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		return err
	}
	return use(pipe[0])
}

// fcntl(2)
func control(fd int, command, argument uintptr) error {
	_, err := call(syscall.SYS_FCNTL, uintptr(fd), command, argument, 0)
	return err
}

func call(number uintptr, a, b, c, d uintptr) (string, error) {
	got, _, errno := syscall.RawSyscall6(number, a, b, c, d, 0, 0)
	if errno != 0 {
		return "", errno
	}
	return strconv.Itoa(int(got)), nil
}

func address(port string) *syscall.SockaddrInet4 {
	number, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	return &syscall.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}
}

func connect(family, kind int, to syscall.Sockaddr) (string, error) {
	fd, err := syscall.Socket(family, kind, 0)
	if err == nil {
		err = syscall.Connect(fd, to)
	}
	return "", err
}
