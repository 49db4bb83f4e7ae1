//! Memory that nobody uses any more.

/// Gives back to the system what was needed for the start alone: freed memory, which glibc keeps as long as it lies below
/// memory in use, and pages of the program's code. Those that are used again are mapped again, from the file.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "the allocator has no other interface"))]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer and may be called at any time from any thread; it only unmaps free memory.
    let _given = unsafe { libc::malloc_trim(0) };
    forget_code();
}

/// Unmaps the program's code.
#[expect(unsafe_code, reason = "there is no other interface to what is mapped")]
fn forget_code() {
    let (Ok(maps), Ok(program)) = (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe"))
    else {
        return;
    };
    for (start, end) in maps.lines().filter_map(|line| code(line, &program.to_string_lossy())) {
        let address = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: the range is, as the kernel just said, a mapping of the program's own file that cannot be written to,
        // and which is never unmapped: each page is as it is in the file, and read from there when it is needed.
        unsafe { libc::madvise(address, end - start, libc::MADV_DONTNEED) };
    }
}

/// The range of a line of `/proc/self/maps` that maps code of this program ([proc_pid_maps(5)]).
///
/// [proc_pid_maps(5)]: https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html
fn code(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    if rights != "r-xp" || !line.ends_with(program) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_program_is_forgotten() {
        let line =
            |rights: &str, file: &str| format!("559d0c400000-559d0d08e000 {rights} 002a0000 fe:00 1234   {file}");
        let range = Some((0x559d_0c40_0000, 0x559d_0d08_e000));
        assert_eq!(code(&line("r-xp", "/bin/leno-proxy"), "/bin/leno-proxy"), range);
        assert_eq!(code(&line("r--p", "/bin/leno-proxy"), "/bin/leno-proxy"), None);
        assert_eq!(code(&line("r-xp", "/lib/libc.so.6"), "/bin/leno-proxy"), None);
        assert_eq!(code("", "/bin/leno-proxy"), None);
    }

    #[test]
    fn what_was_freed_is_given_back() {
        let resident = || -> usize {
            let status = std::fs::read_to_string("/proc/self/statm").unwrap();
            status.split(' ').nth(1).unwrap().parse().unwrap()
        };
        // Small pieces, which are kept for the next; one at the end holds the rest below it.
        let pieces: Vec<_> = (0..200_000).map(|number| vec![1u8; 200 + number % 8]).collect();
        let (last, before) = (vec![1u8; 200], resident());
        drop(pieces);
        give_back();
        assert!(resident() + 4096 < before, "{} of {before} pages are left", resident());
        drop(last);
    }
}
