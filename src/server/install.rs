//! The command that installs Postgres on this platform.

/// The command for a Linux with this `/etc/os-release`, or for the `os` of [`std::env::consts::OS`].
pub(super) fn command(os: &str, os_release: &str) -> &'static str {
    match os {
        "macos" => "brew install postgresql@17",
        "freebsd" => "sudo pkg install postgresql17-server",
        "windows" => "winget install PostgreSQL.PostgreSQL.17, and start a server; or install Docker Desktop",
        "linux" => linux(os_release),
        _ => "see https://www.postgresql.org/download/",
    }
}

/// `ID` names the distribution and `ID_LIKE` its relatives, closest first ([os-release(5)][manual]).
///
/// [manual]: https://www.freedesktop.org/software/systemd/man/latest/os-release.html
fn linux(os_release: &str) -> &'static str {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_ascii_lowercase()
    };
    let names = value("ID") + " " + &value("ID_LIKE");
    let known = names.split_whitespace().find_map(|name| match name {
        "debian" | "ubuntu" => Some("sudo apt install postgresql"),
        "fedora" | "rhel" | "centos" => Some("sudo dnf install postgresql-server"),
        "arch" => Some("sudo pacman -S postgresql"),
        "alpine" => Some("sudo apk add postgresql"),
        "suse" | "opensuse" | "sles" => Some("sudo zypper install postgresql-server"),
        "gentoo" => Some("sudo emerge dev-db/postgresql"),
        "void" => Some("sudo xbps-install postgresql17"),
        "nixos" => Some("nix-shell -p postgresql"),
        _ => None,
    });
    known.unwrap_or("see https://www.postgresql.org/download/linux/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_of_linux_gets_its_own_command() {
        for (os_release, expected) in [
            ("NAME=x\nID=debian\n", "sudo apt install postgresql"),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "sudo apt install postgresql"),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"", "sudo dnf install postgresql-server"),
            ("ID=manjaro\nID_LIKE=arch", "sudo pacman -S postgresql"),
            ("ID='alpine'", "sudo apk add postgresql"),
            ("VERSION_ID=debian\nID=plan9", "see https://www.postgresql.org/download/linux/"),
            ("", "see https://www.postgresql.org/download/linux/"),
        ] {
            assert_eq!(command("linux", os_release), expected, "{os_release}");
        }
    }

    #[test]
    fn a_mac_gets_homebrew() {
        assert_eq!(command("macos", ""), "brew install postgresql@17");
    }
}
