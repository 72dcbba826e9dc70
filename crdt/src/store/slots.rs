//! Things by number; numbers of what is gone are given out again.

#[derive(Debug)]
pub(crate) struct Slots<T> {
    all: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots {
            all: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    pub(crate) fn put(&mut self, thing: T) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.all[at as usize] = Some(thing);
                at
            }
            None => {
                self.all.push(Some(thing));
                (self.all.len() - 1) as u32
            }
        }
    }

    pub(crate) fn take(&mut self, at: u32) -> Option<T> {
        let thing = self.all.get_mut(at as usize)?.take();
        if thing.is_some() {
            self.free.push(at);
        }
        thing
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        self.all.get(at as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.all.get_mut(at as usize)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let all = self.all.iter().enumerate();
        all.filter_map(|(at, thing)| Some((at as u32, thing.as_ref()?)))
    }
}
