//! The functions' processes on the emulator: they are told from others by their executables, which lie where it unpacks the
//! functions, each in a folder named by its code.

use std::collections::HashMap;

use config::Env;

/// Where the functions' processes come from.
#[derive(Clone, Debug)]
pub struct Functions {
    folder: String,
    /// The functions' names, by the folder of each one's code.
    names: HashMap<String, String>,
}

impl Functions {
    /// Those whose executables are below that folder. `digests` has the folder of each function's code.
    #[must_use]
    pub fn new(folder: &str, digests: HashMap<String, String>) -> Self {
        let names = digests.into_iter().map(|(name, digest)| (digest, name));
        Self {
            folder: format!("{folder}/"),
            names: names.collect(),
        }
    }

    /// Those of the stack, as `infra/local exec` tells of them.
    pub fn from_env() -> Result<Self, String> {
        let mut env = Env::of_process();
        let (folder, code) = (env.text("FUNCTIONS_FOLDER"), env.text("FUNCTIONS_CODE"));
        let (folder, code) = env
            .finish((folder, code))
            .map_err(|error| error.to_string())?;
        let digests =
            serde_json::from_str(&code).map_err(|error| format!("FUNCTIONS_CODE: {error}"))?;
        Ok(Self::new(&folder, digests))
    }

    /// The function that the executable is, if it is one: `<folder>/…/<digest>/bootstrap`.
    #[must_use]
    pub fn name_of(&self, executable: &str) -> Option<&str> {
        let path = executable.strip_prefix(&self.folder)?;
        let (_, digest) = path.strip_suffix("/bootstrap")?.rsplit_once('/')?;
        self.names.get(digest).map(String::as_str)
    }
}
